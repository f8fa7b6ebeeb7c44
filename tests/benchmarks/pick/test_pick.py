import json
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.pick.__main__ import main
from benchmarks.pick.arms import WINDOW_TOKENS, lockstep, open_for_windows, windows_of
from benchmarks.pick.flow import Ladder, Wanted
from benchmarks.pick.rule import Budget
from benchmarks.pick.source import Reference
from data.suites.prompts import load_suite


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
        (["you/your-model-GGUF"], "error: you/your-model-GGUF: not a file or a run here; of a repository on the Hub"),
        (["no-such-model"], "error: unknown model 'no-such-model'"),
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


@pytest.mark.parametrize("keep", [True, False])
def test_candidates_are_dropped_unless_kept_and_the_reference_never(tmp_path: Path, keep: bool) -> None:
    wanted = Wanted(
        quantizations=("q8_0",),
        budget=Budget(),
        suite=load_suite("core"),
        text=None,
        prompts=4,
        threads=1,
        repetitions=1,
        keep=keep,
    )
    source = tmp_path / "m.f16.gguf"
    ladder = Ladder(Reference(name="m", path=source, quantization="f16", sha256="0" * 64), wanted, tmp_path)
    for quantization in ("f16", "q8_0"):
        ladder.path(quantization).touch()
        ladder.drop(quantization)
    assert source.exists()
    assert (tmp_path / "m.q8_0.gguf").exists() == keep


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
        windows = windows_of(one, [], text)
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


@pytest.mark.slow
def test_two_quantizations_are_made_measured_and_graded_and_the_command_goes_on(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    arguments = [str(tiny_model), "--quants", "q4_0,q8_0", "--prompts", "4", "--repetitions", "2", "--threads", "2"]
    arguments += ["--keep", str(work), "--json"]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    arms = {arm["quantization"]: arm for arm in first["arms"]}
    assert list(arms) == ["f16", "q4_0", "q8_0"]
    assert arms["f16"]["max_kl"] < 1e-6
    assert 0 < arms["q8_0"]["mean_kl"] < arms["q4_0"]["mean_kl"]
    assert arms["q4_0"]["size_bytes"] < arms["q8_0"]["size_bytes"] < arms["f16"]["size_bytes"]
    assert Path(first["path"]).is_file()

    def measured_again(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("benchmarks.pick.flow.measure_arm", measured_again)
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == first
    assert main([*arguments, "--budget", "min-tok-s=1000000"]) == 3
    assert "nothing keeps the budget; " in capsys.readouterr().out
