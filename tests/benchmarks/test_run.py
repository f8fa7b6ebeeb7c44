import contextlib
import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import run
from benchmarks.config import load_config
from benchmarks.measure import execute
from benchmarks.measure.models import ModelUnderTest, find_models
from benchmarks.runs.read import SCHEMA_VERSION, Run, read_run
from benchmarks.runs.write import RunWriter
from data.paths import ROOT
from data.suites.prompts import load_suite
from tests.gguf_bytes import gguf_bytes

KEYS = {"id", "decode_tok_per_s", "prefill_tok_per_s", "ttft_s", "accuracy", "n", "peak_rss_bytes"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two scripted models and a suite of four prompts."""
    monkeypatch.chdir(tmp_path)
    long = "It is a big and old and very nice city named Paris"
    model("fast", reply=long, decode_tok_per_s=50, prefill_tok_per_s=500)
    model("slow", reply=long.replace("Paris", "Lyon"), decode_tok_per_s=20, prefill_tok_per_s=200)
    lines = [
        {
            "id": f"p{place}",
            "kind": "facts",
            "prompt": f"Question {place}: which city is the capital of France?",
            "grader": {"name": "keywords", "all_of": ["Paris"]},
            "max_tokens": 20,
            "right": "Paris",
            "wrong": "Lyon",
        }
        for place in range(4)
    ]
    Path("mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config()
    return tmp_path


def model(name: str, **facts: Any) -> None:
    Path(f"{name}.json").write_text(json.dumps(facts))


def config(*models: str, **changes: Any) -> None:
    facts = {
        "name": "test",
        "engine": "scripted",
        "models": [f"{name}.json" for name in models or ("fast", "slow")],
        "suites": ["./mine.jsonl"],
        "warmups": 1,
        "alone_prompts": 0,
        **changes,
    }
    Path("test.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items()))


def only_run() -> Run:
    (directory,) = Path("results").iterdir()
    return read_run(directory)


def stop_after(monkeypatch: pytest.MonkeyPatch, rows: int, error: BaseException) -> None:
    """Let the writer fail before the given row."""
    write, written = RunWriter.write, iter(range(100))

    def limited(self: RunWriter, row: Any) -> None:
        if next(written) >= rows:
            raise error
        write(self, row)

    monkeypatch.setattr(RunWriter, "write", limited)


def test_a_run_measures_every_model_on_every_prompt_and_reports(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["test.toml", "--json"]) == 0
    done = only_run()
    assert done.finished
    assert len({row.key for row in done.rows}) == len(done.rows) == 8
    assert all(row.error is None for row in done.rows)
    out = capsys.readouterr().out
    found = json.loads(out.splitlines()[-1])
    assert found["run_id"] == done.id
    assert all(each.keys() >= KEYS for each in found["models"])
    fast, slow = found["models"]
    assert (fast["id"], fast["accuracy"], fast["n"], slow["id"], slow["accuracy"]) == ("fast", 1.0, 4, "slow", 0.0)
    assert fast["decode_tok_per_s"] == pytest.approx(50) and slow["prefill_tok_per_s"] == pytest.approx(200)
    assert fast["peak_rss_bytes"] > 1e6
    assert "4/4 = 100% [51%, 100%]" in out and "Results page" in out


def test_the_manifest_says_what_ran_where() -> None:
    run.main(["test.toml"])
    manifest = only_run().manifest
    assert manifest["config"]["models"] == ["fast", "slow"]
    assert manifest["suites"]["mine"]["prompts"] == 4 and len(manifest["suites"]["mine"]["sha256"]) == 64
    assert manifest["models"]["fast"]["info"]["architecture"] == "scripted"
    assert manifest["machine"]["usable_threads"] >= 1
    assert manifest["schema_version"] == SCHEMA_VERSION
    assert "persona" in manifest["policies"]["chat_template"]
    assert len({row.pid for row in only_run().rows}) == 2


def test_the_limit_and_directory_can_be_given() -> None:
    assert run.main(["test.toml", "--limit", "2", "--out", "elsewhere"]) == 0
    (directory,) = Path("elsewhere").iterdir()
    assert len(read_run(directory).rows) == 4
    assert not Path("results").exists()
    with pytest.raises(SystemExit, match="2"):
        run.main(["test.toml", "--limit", "0"])


def test_fixed_shapes_are_timed_beside_the_prompts() -> None:
    config(fixed_repetitions=2, fixed_prefill_tokens=16, fixed_decode_tokens=10)
    model("fast", decode_tok_per_s=50, prefill_tok_per_s=500)
    model("slow", decode_tok_per_s=20, prefill_tok_per_s=500)
    assert run.main(["test.toml"]) == 0
    fixed = [row for row in only_run().rows if row.kind == "fixed-shape"]
    assert [(row.prompt_id, row.prefill_tokens, row.decode_tokens) for row in fixed] == [("pp16-tg10", 16, 10)] * 4


def test_an_interrupted_run_says_how_to_go_on_and_goes_on_without_doing_anything_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        assert run.main(["test.toml", "--limit", "4"]) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == ("benchmarks.run: interrupted; resume with: python -m benchmarks.run test.toml --resume --limit 4")
    first = only_run()
    assert len(first.rows) == 3 and not first.finished
    with (first.directory / "samples.jsonl").open("a") as file:
        file.write('{"torn": ')
    Path("results/zzz-broken").mkdir()
    Path("results/zzz-broken/run.json").write_text("{")
    assert run.main(said.split("benchmarks.run ")[-1].split()) == 0
    shutil.rmtree("results/zzz-broken")
    second = only_run()
    assert second.finished and len(second.manifest["resumed_at"]) == 1
    assert second.rows[:3] == first.rows
    assert len({row.key for row in second.rows}) == len(second.rows) == 8
    assert run.main(["test.toml", "--resume", "--limit", "4"]) == 1
    assert "no run of 'test' under results lacks samples" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda: config(seed=5), "seed: 3407 in the run, 5 now"),
        (lambda: model("fast", reply="other"), "model fast: sha256 "),
        (lambda: Path("mine.jsonl").write_text(Path("mine.jsonl").read_text()[:-1] + " \n"), "suite mine: sha256 "),
        (lambda: config(limit=2), "limit: 0 in the run, 2 now"),
    ],
)
def test_a_run_whose_config_model_or_suite_changed_is_not_resumed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: Any, wanted: str
) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        run.main(["test.toml"])
    change()
    assert run.main(["test.toml", "--resume"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be resumed, because it differs: " + wanted in said
    assert len(only_run().rows) == 3


@pytest.mark.slow
def test_a_finished_run_goes_on_when_its_suite_or_its_limit_has_grown(capsys: pytest.CaptureFixture[str]) -> None:
    config(limit=3)
    assert run.main(["test.toml"]) == 0
    first = only_run()
    text = Path("mine.jsonl").read_text()
    Path("mine.jsonl").write_text(text + text.splitlines()[0].replace('"p0"', '"p9"') + "\n")
    config(limit=0)
    assert run.main(["test.toml", "--resume"]) == 0
    second = only_run()
    assert second.finished and second.rows[:6] == first.rows
    assert [row.prompt_id for row in second.rows].count("p9") == 2 and len(second.rows) == 10
    assert second.manifest["suites"]["mine"]["prompts"] == 5 and second.manifest["config"]["limit"] == 0
    assert run.main(["test.toml", "--resume"]) == 1
    assert "no run of 'test' under results lacks samples" in capsys.readouterr().err


@pytest.mark.slow
def test_an_unfinished_run_comes_before_one_that_has_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        run.main(["test.toml"])
    unfinished = only_run()
    assert run.main(["test.toml", "--limit", "1"]) == 0
    assert run.main(["test.toml", "--resume"]) == 0
    assert read_run(unfinished.directory).finished and len(read_run(unfinished.directory).rows) == 8


def test_a_run_is_not_resumed_where_a_limit_would_swap_its_prompts(capsys: pytest.CaptureFixture[str]) -> None:
    config(limit=3)
    assert run.main(["test.toml"]) == 0
    lines = Path("mine.jsonl").read_text()
    Path("mine.jsonl").write_text(lines + lines.splitlines()[0].replace('"p0"', '"q0"').replace("facts", "other"))
    assert run.main(["test.toml", "--resume"]) == 1
    assert "2 of its samples, such as mine/p2, are not asked any more; give a higher limit" in capsys.readouterr().err
    assert only_run().finished


def test_a_model_that_cannot_be_had_or_loaded_has_rows_that_say_so_and_the_others_finish(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("broken.json").write_text("not a script")
    config("missing", "fast", "broken")
    assert run.main(["test.toml", "--json"]) == 1
    done = only_run()
    errors = {name: {row.error for row in done.rows if row.model == name} for name in ("missing", "fast", "broken")}
    assert errors["fast"] == {None}
    assert "cannot be read (No such file or directory)" in str(errors["missing"])
    assert "not a script for the scripted engine" in str(errors["broken"])
    assert done.finished and len(done.rows) == 12
    streams = capsys.readouterr()
    found = {each["id"]: each for each in json.loads(streams.out.splitlines()[-1])["models"]}
    assert (found["missing"]["accuracy"], found["missing"]["n"], found["missing"]["errors"]) == (None, 0, 4)
    assert found["fast"]["accuracy"] == 1
    assert "broken: " in streams.err and "Traceback" not in streams.err


@pytest.mark.slow
def test_a_model_that_keeps_killing_its_worker_does_not_stop_the_run() -> None:
    model("deadly", reply="one two three", die_after_tokens=1)
    config("fast", "deadly", warmups=0)
    assert run.main(["test.toml"]) == 1
    done = only_run()
    assert {row.error for row in done.rows if row.model == "fast"} == {None}
    deadly = [row for row in done.rows if row.model == "deadly"]
    assert len(deadly) == 4 and all("SIGKILL" in str(row.error) for row in deadly)
    assert done.manifest["models"]["deadly"]["restarts"] == 2


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_what_was_written_stays(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, calls = os.fsync, iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) >= 6:  # after two manifests, each with its directory, and two rows
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        assert run.main(["test.toml"]) == 1
    said = capsys.readouterr().err
    assert "No space left on device); what was measured so far is kept" in said
    assert "Traceback" not in said
    assert 2 <= len(only_run().rows) < 8
    assert run.main(["test.toml", "--resume"]) == 0
    assert len({row.key for row in only_run().rows}) == len(only_run().rows) == 8


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda: config(thread=2), "unknown key 'thread'"),
        (lambda: config(suites=["nope"]), "unknown suite 'nope'; known: core, hard, reasoning, report"),
        (
            lambda: Path("mine.jsonl").write_text(Path("mine.jsonl").read_text().replace(": 20", ": 2048")),
            "context_tokens is 2048; prompt 'p0' may be answered in 2048 tokens, and its own must fit",
        ),
        (lambda: config(kinds=["poetry"]), "kinds: unknown kind 'poetry'; known: facts"),
        (lambda: config(suites=["./mine.jsonl", "./other/mine.jsonl"]), "suites: two are named 'mine'"),
        (lambda: config(engine="llama_cpp"), "unknown model 'fast.json'"),
        (lambda: Path("slow.json").write_bytes(Path("fast.json").read_bytes()), "'fast' and 'slow' are the same file"),
        (lambda: config("slow", models=["fast.json@again"]), "'fast.json@again' without 'fast.json'"),
        (lambda: config(jobs=0), "jobs is 0; the least is 1"),
        (
            lambda: config(template_switches=["thinking"]),
            "template_switches: 'thinking' sets nothing; write NAME=VALUE",
        ),
        (lambda: config(suites=["./depth.jsonl"]), "suites: 'depth' is the name of timed shapes; rename the file"),
        (lambda: Path("mine.jsonl").write_text("{\n"), "mine.jsonl, line 1: not JSON"),
        (lambda: Path("mine.jsonl").write_text(broken_suite()), "suite mine, prompt 'p0': unknown grader 'keyword'"),
    ],
)
def test_a_mistake_is_one_line_before_any_work(capsys: pytest.CaptureFixture[str], change: Any, wanted: str) -> None:
    Path("other").mkdir()
    for name in ("other/mine.jsonl", "depth.jsonl"):
        Path(name).write_text(Path("mine.jsonl").read_text())
    change()
    assert run.main(["test.toml"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and wanted in said
    assert not Path("results").exists()


def broken_suite() -> str:
    return Path("mine.jsonl").read_text().replace('"keywords"', '"keyword"')


@pytest.mark.slow
def test_two_runs_started_in_one_second_have_directories_of_their_own() -> None:
    for _ in range(2):
        run.main(["test.toml", "--limit", "1"])
    assert len(list(Path("results").iterdir())) == 2


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.run", "test.toml", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def wait_for_rows(count: int, process: subprocess.Popen[str]) -> None:
    """Until the run has so many rows on disk; looked at fifty times a second."""
    for _ in range(3000):
        if sum(len(path.read_bytes().splitlines()) for path in Path("results").glob("*/samples.jsonl")) >= count:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.02)
            raise AssertionError(f"it ended before there were {count} rows")
    raise AssertionError(f"there were never {count} rows")


@pytest.mark.slow
@pytest.mark.parametrize(("condition", "repetitions"), [("timed-cold", 2), ("batched", 8)])
def test_killed_again_and_again_at_random_points_a_run_ends_with_the_same_rows_none_twice(
    condition: str, repetitions: int
) -> None:
    for name in ("fast", "slow"):
        model(name, reply=f"{name} one two three four five Paris", pace_s=0.02)
    config(conditions=[condition], batch_sequences=2, jobs=2, repetitions=repetitions, warmups=0)
    rng, kept = random.Random(condition), 0
    for kill in range(4):
        process = start(*(["--resume"] if kill else []))
        wait_for_rows(kept + 1, process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0, 0.2))
        process.kill()
        process.communicate()
        kept, before = len(only_run().rows), kept
        assert before < kept < 8 * repetitions  # what was on disk stays
    resumed = start("--resume")
    _, said = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, said
    done = only_run()
    assert done.finished and len({row.key for row in done.rows}) == len(done.rows) == 8 * repetitions
    assert {row.error for row in done.rows} == {None}


@pytest.mark.slow
@pytest.mark.parametrize(("end", "status"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_killed_run_resumes_to_the_same_samples_none_twice(end: signal.Signals, status: int) -> None:
    for name in ("fast", "slow"):
        model(name, reply="one two three four Paris " + name, pace_s=0.03)
    process = start()
    wait_for_rows(2, process)
    os.killpg(process.pid, end) if end == signal.SIGINT else process.send_signal(end)
    _, said = process.communicate(timeout=30)
    assert process.returncode == status, said
    assert "Traceback" not in said
    before = only_run()
    assert 2 <= len(before.rows) < 8
    resumed = start("--resume")
    _, said = resumed.communicate(timeout=60)
    assert resumed.returncode == 0, said
    after = only_run()
    assert after.rows[: len(before.rows)] == before.rows
    assert len({row.key for row in after.rows}) == len(after.rows) == 8


def test_help_needs_no_heavy_import() -> None:
    code = "import sys, benchmarks.run as r\ntry: r.main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.splitlines()[-1]
    assert not any(f"'{name}'" in loaded for name in ("numpy", "scipy", "pandas", "altair", "llama_cpp"))


def test_nothing_is_left_running_after_a_run() -> None:
    before = set(Path("/proc").glob("[0-9]*/task"))
    run.main(["test.toml", "--limit", "1"])
    mine = {path for path in set(Path("/proc").glob("[0-9]*/task")) - before if _is_child(path.parent)}
    assert not mine


def _is_child(process: Path) -> bool:
    try:
        return int((process / "stat").read_text().rsplit(")", 1)[1].split()[1]) == os.getpid()
    except OSError:
        return False


@pytest.mark.slow
def test_models_that_have_no_samples_left_are_not_loaded_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(patch, 7, KeyboardInterrupt())
        run.main(["test.toml"])
    opened = []
    load = ModelUnderTest.load

    def counting(model: ModelUnderTest) -> None:
        opened.append(model.id)
        load(model)

    monkeypatch.setattr(ModelUnderTest, "load", counting)
    assert run.main(["test.toml", "--resume"]) == 0
    assert len(opened) == 1
    assert all(facts["info"] for facts in only_run().models.values())


@pytest.mark.slow
def test_batched_answers_are_those_of_single_samples_under_a_condition_of_their_own(here: Path) -> None:
    config(conditions=["timed-cold", "batched"], batch_sequences=3, fixed_repetitions=1, fixed_prefill_tokens=8)
    assert run.main(["test.toml"]) == 0
    rows = only_run().rows
    assert sum(row.suite == "fixed-shape" for row in rows) == 2  # timed alone, never in a batch
    answers = {
        condition: {(row.model, row.prompt_id): row.answer for row in rows if row.condition == condition and row.answer}
        for condition in ("timed-cold", "batched")
    }
    assert answers["batched"] == answers["timed-cold"]
    assert len(answers["batched"]) == 8
    assert {row.max_batch for row in rows if row.condition == "timed-cold" and row.answer} == {1}


def test_what_is_decided_is_asked_no_further_and_the_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [json.loads(line) for line in Path("mine.jsonl").read_text().splitlines()]
    many = [{**lines[0], "id": f"q{place}", "prompt": f"Question {place}: which city?"} for place in range(60)]
    Path("mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in many))
    config(conditions=["batched"], batch_sequences=2, alone_prompts=0, end_when_decided=True)
    assert run.main(["test.toml"]) == 0
    done = only_run()
    asked = {name: len(rows) for name, rows in done.by_model.items()}
    assert done.finished and sorted(asked.values())[0] < 20 and sorted(asked.values())[1] == 60
    assert "mine: decided before all was asked" in capsys.readouterr().out
    assert run.main(["test.toml", "--resume"]) != 0  # nothing of it lacks


@pytest.mark.slow
def test_one_file_can_be_measured_twice_in_one_run() -> None:
    config("fast", models=["fast.json", "fast.json@again"], conditions=["timed-cold", "batched"], warmups=0)
    assert run.main(["test.toml"]) == 0
    done = only_run()
    assert len({row.key for row in done.rows}) == len(done.rows) == 16
    assert {row.model for row in done.rows} == {"fast", "fast@again"}
    assert len({row.model_sha256 for row in done.rows}) == 1
    assert done.models["fast@again"]["label"] == "fast again"
    assert len({row.pid for row in done.rows if row.condition == "timed-cold"}) == 2


def test_batched_models_run_at_the_same_time_and_each_sample_is_there_once(monkeypatch: pytest.MonkeyPatch) -> None:
    config(conditions=["batched"], batch_sequences=2, jobs=2)
    both, original = threading.Barrier(2, timeout=60), execute.measure_batched

    def after_both_have_begun(*arguments: Any, **options: Any) -> Iterator[Any]:
        both.wait()  # raises where the other model only begins after this one
        yield from original(*arguments, **options)

    monkeypatch.setattr(execute, "measure_batched", after_both_have_begun)
    assert run.main(["test.toml"]) == 0
    rows = only_run().rows
    assert len({row.key for row in rows}) == len(rows) == 8
    assert all(facts["info"] for facts in only_run().models.values())


@pytest.mark.slow
def test_an_interrupt_among_several_batched_models_ends_them_all_and_resumes_with_other_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config(conditions=["batched"], batch_sequences=2)
    with monkeypatch.context() as patch:
        stop_after(patch, 3, KeyboardInterrupt())
        assert run.main(["test.toml", "--jobs", "2"]) == 130
    first = only_run()
    assert len(first.rows) == 3 and first.manifest["config"]["jobs"] == 2
    assert all(row.error is None for row in first.rows)
    assert run.main(["test.toml", "--resume"]) == 0
    assert len({row.key for row in only_run().rows}) == len(only_run().rows) == 8


def test_shapes_and_depths_can_be_timed_without_any_prompt() -> None:
    for name, rate in (("fast", 50), ("slow", 20)):
        model(name, decode_tok_per_s=rate, prefill_tok_per_s=500)
    config(suites=[], fixed_repetitions=2, fixed_prefill_tokens=16, fixed_decode_tokens=10, depths=[0, 32])
    assert run.main(["test.toml"]) == 0
    assert sorted({row.prompt_id for row in only_run().rows}) == ["d0-tg10", "d32-tg10", "pp16-tg10"]
    assert len(only_run().rows) == 12


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_prompts() -> None:
    """Rows go to disk as they are made; what stays is one key a sample."""
    config("fast", suites=["./many.jsonl"], conditions=["batched"])
    line = json.loads(Path("mine.jsonl").read_text().splitlines()[0])
    peaks = []
    for count in (20, 170):
        many = [line | {"id": f"q{place}", "max_tokens": 60} for place in range(count)]
        Path("many.jsonl").write_text("".join(json.dumps(each) + "\n" for each in many))
        model("fast", reply=f"{'Paris' * 20} " * 60)  # 6 kB an answer
        settings = load_config(Path("test.toml"))
        suites = [load_suite("./many.jsonl")]
        subjects = find_models(settings, lambda line: None)
        tracemalloc.start()
        execute.execute(settings, suites, subjects, out=Path("out"), progress_to=io.StringIO())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 150 * 2_000  # bytes a prompt, its key and its place in the schedule


def test_a_gguf_can_be_named_by_its_path_and_says_what_it_is(here: Path) -> None:
    config("x", engine="llama_cpp", models=["./shape.gguf"])
    Path("shape.gguf").write_bytes(
        gguf_bytes({"general.name": "Llama-3.2 1b shape, random weights", "general.file_type": 15})
    )
    (subject,) = find_models(load_config(Path("test.toml")), lambda line: None)
    assert (subject.id, subject.error, subject.facts["quantization"]) == ("shape", None, "q4_k_m")
    assert subject.facts["label"] == "shape (Llama-3.2 1b shape, random weights)"
    Path("shape.gguf").write_bytes(b"nothing")
    (broken,) = find_models(load_config(Path("test.toml")), lambda line: None)
    assert broken.path is None and broken.error is not None and "shape.gguf: cannot be read" in broken.error


@pytest.mark.slow
def test_a_batched_run_asks_a_few_prompts_alone_too_and_reports_how_many_answers_differ(
    capsys: pytest.CaptureFixture[str],
) -> None:
    config(conditions=["batched"], alone_prompts=3)
    assert run.main(["test.toml"]) == 0
    rows = only_run().rows
    assert [sum(row.condition == name for row in rows) for name in ("timed-cold", "batched")] == [6, 8]
    assert "answers that differ between batched and alone: " in capsys.readouterr().out


@pytest.mark.slow
def test_a_model_that_kills_its_worker_in_a_batched_run_has_rows_that_say_so_and_the_others_finish() -> None:
    model("deadly", reply="one two three", die_after_tokens=2)
    config("deadly", "fast", conditions=["batched"], batch_sequences=2, jobs=2)
    assert run.main(["test.toml"]) == 1
    done = only_run()
    errors = {name: {row.error for row in done.rows if row.model == name} for name in ("deadly", "fast")}
    assert done.finished and len(done.rows) == 8
    assert errors["fast"] == {None} and all("SIGKILL" in str(error) for error in errors["deadly"])


def test_a_template_switch_that_a_model_does_not_have_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    config("fast", template_switches=["enable_thinking=false"])
    assert run.main(["test.toml"]) == 0
    assert "fast: its chat template has no switch enable_thinking; it has: none" in capsys.readouterr().err
    assert only_run().manifest["config"]["template_switches"] == ["enable_thinking=false"]


def suite_of(*prompts: str) -> None:
    line = json.loads(Path("mine.jsonl").read_text().splitlines()[0])
    lines = [{**line, "id": f"p{place}", "prompt": prompt} for place, prompt in enumerate(prompts)]
    Path("mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def unanswered() -> dict[str, str | None]:
    return {row.prompt_id: row.error for row in only_run().rows if row.error}


@pytest.mark.slow
def test_a_prompt_that_kills_the_worker_costs_no_other_prompt_its_answer() -> None:
    model("fast", reply="It is a very nice city named Paris", die_on="deadly")
    suite_of("one", "a deadly one", "two", "three", "deadly too", "deadly, again", "deadly, and more", "four", "five")
    config("fast", conditions=["batched"], batch_sequences=4)
    assert run.main(["test.toml"]) == 1
    rows = only_run().rows
    assert sorted(row.prompt_id for row in rows if row.error) == ["p1", "p4", "p5", "p6"]
    assert all("SIGKILL" in str(row.error) for row in rows if row.error)
    assert sorted(row.prompt_id for row in rows if row.grade == 1) == ["p0", "p2", "p3", "p7", "p8"]
    assert {row.condition for row in rows} == {"batched"}


@pytest.mark.slow
def test_prompts_without_an_answer_are_asked_again_by_resume(capsys: pytest.CaptureFixture[str]) -> None:
    model("fast", reply="It is a very nice city named Paris", die_on="deadly")
    suite_of("one", "a deadly one", "two")
    config("fast", conditions=["batched"], batch_sequences=2)
    assert run.main(["test.toml"]) == 1
    first = only_run()
    assert first.finished and list(unanswered()) == ["p1"]
    assert run.main(["test.toml", "--resume"]) == 1
    assert list(unanswered()) == ["p1"] and len(only_run().rows) == 3
    lines = (first.directory / "samples.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 4  # nothing that was written is taken back
    cured = next(line for line in lines if json.loads(line)["prompt_id"] == "p0").replace('"p0"', '"p1"')
    (first.directory / "samples.jsonl").write_text("".join([*lines, cured]))
    assert unanswered() == {} and len(only_run().rows) == 3
    assert run.main(["test.toml", "--resume"]) == 1
    assert "no run of 'test' under results lacks samples" in capsys.readouterr().err


def test_a_model_that_could_not_be_had_is_measured_by_resume_once_it_can() -> None:
    reply = Path("fast.json").read_text()
    Path("fast.json").unlink()
    assert run.main(["test.toml"]) == 1
    assert len(unanswered()) == 4 and only_run().models["fast"]["error"]
    Path("fast.json").write_text(reply)
    assert run.main(["test.toml", "--resume"]) == 0
    done = only_run()
    assert len(done.rows) == 8 and not unanswered()
    assert (
        done.models["fast"]["error"] is None and done.models["fast"]["sha256"] == done.by_model["fast"][0].model_sha256
    )


@pytest.mark.slow
def test_a_worker_that_dies_now_and_then_in_a_timed_run_is_started_again_each_time() -> None:
    model("fast", reply="It is a very nice city named Paris", die_on="deadly")
    suite_of("deadly 1", "one", "deadly 2", "two", "deadly 3", "three", "deadly 4", "four")
    config("fast", warmups=0)
    assert run.main(["test.toml"]) == 1
    assert sorted(unanswered()) == ["p0", "p2", "p4", "p6"]


def test_a_persons_own_table_is_a_suite() -> None:
    Path("own.csv").write_text("prompt,grader,answer\nWhich city is it?,keywords,Paris\nAnd which?,exact,Rome\n")
    config(suites=["./own.csv"])
    assert run.main(["test.toml"]) == 0
    grades = {(row.model, row.prompt_id): row.grade for row in only_run().rows}
    assert grades["fast", "line-1"] == 1 and grades["fast", "line-2"] == 0 and grades["slow", "line-1"] == 0


def test_the_threads_of_the_machine_are_parted_among_models_that_run_at_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execute, "usable_threads", lambda: 8)
    config(conditions=["batched"], jobs=2)
    assert run.main(["test.toml", "--limit", "1"]) == 0
    assert {facts["info"]["threads"] for facts in only_run().models.values()} == {4}


def test_a_suite_may_have_a_limit_of_its_own() -> None:
    Path("other").mkdir()
    Path("other/more.jsonl").write_text(Path("mine.jsonl").read_text())
    config(suites=["./mine.jsonl", "./other/more.jsonl"], limit=3, limits=["more=1"])
    assert run.main(["test.toml"]) == 0
    asked = [row.suite for row in only_run().by_model["fast"]]
    assert (asked.count("mine"), asked.count("more")) == (3, 1)


def test_a_dry_run_says_what_it_would_cost_and_asks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run.main(["test.toml", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "the limits (4)" in told and "measured just now, briefly" in told
    assert told.rstrip().endswith("one model after another; nothing was asked")
    assert not Path("results").exists()
