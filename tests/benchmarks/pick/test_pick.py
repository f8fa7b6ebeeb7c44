import io
import json
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.scripted import ScriptedEngine
from benchmarks.pick.__main__ import main
from benchmarks.pick.arms import WINDOW_TOKENS, PickError, lockstep, open_for_windows, windows_of
from benchmarks.pick.flow import Ladder, Wanted, pick
from benchmarks.pick.grade import Grader
from benchmarks.pick.outcome import read_outcome
from benchmarks.pick.rule import Budget
from benchmarks.pick.source import Reference, reference_of
from data.errors import ModelError
from data.suites.prompts import load_suite
from tests.gguf_bytes import LLAMA, gguf_bytes, split_model
from tests.hub import Hub, Repo


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.gguf", "--quants", "q9"], "error: --quants: unknown 'q9'; known: f16, q8_0"),
        (["m.gguf", "--quants", ","], "error: --quants is empty"),
        (["m.gguf", "--repetitions", "1"], "error: --repetitions is 1; an interval needs at least 2"),
        (["m.gguf", "--prompts", "1"], "error: --prompts is 1; an interval needs at least 2"),
        (["no-such-model"], "error: unknown model 'no-such-model'"),
        (["no-\udcff"], "error: unknown model 'no-"),
        ([" "], "error: the model has no name; give a registry id, a GGUF"),
        (["m.gguf", "--out", __file__], f"error: --out {__file__}: a file of that name is there"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    cache: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert refusal(arguments, capsys).startswith(message)


def test_a_run_without_its_f16_file_says_how_to_make_it(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    assert "no export/run.f16.gguf; make it with python -m training.export" in refusal([str(tmp_path / "run")], capsys)


def wanted(*, keep: bool) -> Wanted:
    return Wanted(
        quantizations=("q8_0", "q4_0"),
        budget=Budget(),
        suite=load_suite("core"),
        text=None,
        prompts=4,
        threads=1,
        repetitions=1,
        thorough=False,
        keep=keep,
    )


@pytest.mark.parametrize("keep", [True, False])
def test_candidates_are_dropped_unless_kept_and_the_reference_never(tmp_path: Path, keep: bool) -> None:
    source = tmp_path / "m.f16.gguf"
    reference = Reference(name="m", path=source, quantization="f16", sha256="0" * 64)
    ladder = Ladder(reference, wanted(keep=keep), tmp_path)
    for quantization in ("f16", "q8_0"):
        ladder.path(quantization).touch()
        ladder.drop(quantization)
    assert source.exists()
    assert (tmp_path / "m.q8_0.gguf").exists() == keep


def test_a_candidate_of_an_earlier_model_of_this_name_is_made_anew(tmp_path: Path) -> None:
    source = tmp_path / "m.f16.gguf"
    source.touch()
    ladder = Ladder(Reference(name="m", path=source, quantization="f16", sha256="0" * 64), wanted(keep=True), tmp_path)
    assert not ladder.is_made("q8_0")
    ladder.path("q8_0").touch()
    assert ladder.is_made("q8_0")
    os.utime(source, (2**31, 2**31))  # trained again
    assert not ladder.is_made("q8_0") and ladder.is_made("f16")


def test_a_file_that_cannot_be_loaded_says_so_and_not_that_nothing_is_graded(cache: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "m.q4_0.gguf"
    damaged.write_bytes(model_of(2))
    grader = Grader(
        suite=load_suite("core"),
        prompts=2,
        threads=1,
        directory=tmp_path / "answers",
        candidates=1,
        early=True,
        stream=io.StringIO(),
    )
    with pytest.raises(PickError) as caught:
        grader.against(damaged, damaged)
    assert "\n" not in str(caught.value) and "graded for both" not in str(caught.value)


def model_of(file_type: int) -> bytes:
    """A small model whose metadata say how it is quantized: 1 is F16, 2 is Q4_0."""
    return gguf_bytes(LLAMA | {"general.file_type": file_type}, {"w": ((64,), 0, 0)}, data=b"\0" * 256)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"a.safetensors": b"x"},
            "me/m holds no GGUF, but weights for training; look for a repository of the same name",
        ),
        ({"m-q4_0.gguf": b"x", "m-q8_0.gguf": b"xy"}, "me/m holds q4_0, q8_0 and no F16: quantizing twice adds"),
        ({"m-F16-00001-of-00002.gguf": b"x"}, "me/m holds no whole GGUF of a text model"),
    ],
)
def test_a_repository_that_cannot_be_used_says_why_and_what_can(
    hub: Hub, tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    hub.repos["me/m"] = Repo(files=files)
    with pytest.raises(ModelError, match=message):
        reference_of("me/m", tmp_path, from_quantized=False)


@pytest.mark.parametrize(
    ("files", "from_quantized", "expected"),
    [
        ({"m-Q4_0.gguf": model_of(2), "m-F16.gguf": model_of(1), "mmproj-F16.gguf": model_of(1)}, False, "f16"),
        ({"m-Q4_0.gguf": model_of(2)}, True, "q4_0"),
    ],
)
def test_of_a_repository_the_best_file_is_fetched(
    hub: Hub, tmp_path: Path, files: dict[str, bytes], from_quantized: bool, expected: str
) -> None:
    hub.repos["me/m"] = Repo(files=files)
    found = reference_of("me/m", tmp_path, from_quantized=from_quantized)
    assert (found.name, found.quantization, found.path.is_file()) == ("m", expected, True)


def test_a_file_of_no_known_quantization_is_not_quantized_unasked(tmp_path: Path) -> None:
    odd = tmp_path / "odd.gguf"
    odd.write_bytes(model_of(999))
    with pytest.raises(ModelError, match=r"odd.gguf is of a quantization that is not known here: quantizing twice"):
        reference_of(str(odd), tmp_path, from_quantized=False)


def test_a_split_file_is_one_model_by_any_of_its_parts(tmp_path: Path) -> None:
    parts = split_model(tmp_path)
    found = reference_of(str(parts[1]), tmp_path, from_quantized=True)
    assert (found.name, found.path) == ("tiny", parts[0])
    parts[2].unlink()
    with pytest.raises(ModelError, match="1 of 3 parts are missing: tiny-00003-of-00003"):
        reference_of(str(parts[1]), tmp_path, from_quantized=True)


@pytest.mark.parametrize(("keep", "what"), [(False, "the largest file"), (True, "the 2 files, all of which are kept,")])
def test_a_disk_too_small_for_the_ladder_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keep: bool, what: str
) -> None:
    source = tmp_path / "m.f16.gguf"
    source.write_bytes(model_of(1))
    monkeypatch.setattr("data.files.shutil.disk_usage", lambda path: SimpleNamespace(free=1))
    reference = Reference(name="m", path=source, quantization="f16", sha256="0" * 64)
    with pytest.raises(ModelError, match=f"disk full: {what} needs"):
        pick(reference, wanted(keep=keep), tmp_path, tmp_path / "out", sys.stderr)
    assert not (tmp_path / "out").exists()


def test_a_suite_without_right_answers_needs_a_text(tmp_path: Path) -> None:
    core = load_suite("core")
    silent = replace(core, prompts=tuple(replace(prompt, right=None) for prompt in core.prompts[:2]))
    with pytest.raises(PickError, match="core has no right answers to read files on; give a text with --text FILE"):
        windows_of(ScriptedEngine(tmp_path / "any.json", LoadOptions()), silent, None)


@pytest.mark.slow
def test_a_quantized_source_is_refused_until_it_is_asked_for(
    embedded_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = refusal([str(embedded_model), "--keep", str(tmp_path)], capsys)
    assert "is q4_1 already: quantizing twice" in said
    assert said.endswith("go on with --from-quantized")


@pytest.mark.slow
def test_a_file_does_not_diverge_from_itself_and_a_short_text_is_refused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "The mill by the river grinds flour for three villages. " * 60
    with closing(open_for_windows(tiny_model, 2)) as one, closing(open_for_windows(tiny_model, 2)) as other:
        windows = windows_of(one, load_suite("core"), text)
        far, perplexity = lockstep(one, other, windows)
    assert {len(ids) for ids in windows} == {WINDOW_TOKENS}
    assert far.max_kl < 1e-6
    assert far.top1 == 1
    assert far.tokens == len(windows) * (WINDOW_TOKENS - 1)
    assert perplexity > 1
    short = tmp_path / "short.txt"
    short.write_text("Too short.")
    arguments = [str(tiny_model), "--text", str(short), "--keep", str(tmp_path)]
    assert "less than one context of 256; give a longer one" in refusal(arguments, capsys)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few windows: whatever is measured is measured in the same way."""
    monkeypatch.setattr("benchmarks.pick.arms.MOST_WINDOWS", 3)


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_two_quantizations_are_made_measured_and_graded_and_the_command_goes_on(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    arguments = [str(tiny_model), "--quants", "q4_0,q8_0", "--prompts", "4", "--repetitions", "2", "--threads", "2"]
    arguments += ["--keep", str(work), "--out", str(tmp_path / "out"), "--json"]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    arms = {arm["quantization"]: arm for arm in first["arms"]}
    assert list(arms) == ["f16", "q4_0", "q8_0"]
    assert arms["f16"]["max_kl"] < 1e-6
    assert 0 < arms["q8_0"]["mean_kl"] < arms["q4_0"]["mean_kl"]
    assert arms["q4_0"]["size_bytes"] < arms["q8_0"]["size_bytes"] < arms["f16"]["size_bytes"]
    assert Path(first["path"]).is_file()
    kept = read_outcome(tmp_path / "out")
    assert (list(kept.planned), kept.path) == (["f16", "q4_0", "q8_0"], first["path"])
    named = kept.choice.nearest.quantization
    assert (kept.beside.quantization if kept.beside else "f16") == named
    assert first["sentence"] in (tmp_path / "out" / "pick.txt").read_text()
    ElementTree.parse(tmp_path / "out" / "pick.svg")

    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("benchmarks.pick.flow.measure_arm", measured_again)
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    assert main([*arguments, "--budget", "min-tok-s=1000000"]) == 3
    assert "nothing keeps the budget; " in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.usefixtures("brief")
def test_thoroughly_every_file_is_asked_the_whole_suite(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    grader = {"name": "numeric", "value": 4}
    asked = [
        {"id": f"p{n}", "kind": "k", "prompt": f"{n} + {4 - n}?", "grader": grader, "max_tokens": 8} for n in range(4)
    ]
    suite, text = tmp_path / "own.jsonl", tmp_path / "text.txt"
    suite.write_text("".join(json.dumps(prompt) + "\n" for prompt in asked))
    text.write_text("The mill by the river grinds flour for three villages. " * 60)
    arguments = [str(tiny_model), "--quants", "q4_0,q8_0", "--repetitions", "2", "--threads", "2", "--thorough"]
    arguments += ["--suite", str(suite), "--text", str(text), "--budget", "max-kl=1000"]
    assert main([*arguments, "--keep", str(tmp_path / "work"), "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {name: each["n"] for name, each in found["graded"].items()} == {"q4_0": 4, "q8_0": 4}
