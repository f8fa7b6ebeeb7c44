import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.analysis.changes import compare_runs, report_lines
from benchmarks.runs.read import Run, RunError
from benchmarks.runs.write import RunWriter, write_manifest
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

GOOD, BAD = "1" * 36 + "0" * 4, "1" * 10 + "0" * 30
RATES = [100.0, 101, 99, 102, 98, 100, 101, 99]


def with_facts(run: Run, **changes: Any) -> Run:
    return dataclasses.replace(run, manifest={**run.manifest, **changes})


def run(grades: str, rates: list[float], run_id: str, *, suite: str = "same", model: str = "m", **facts: Any) -> Run:
    made = made_run(graded_rows(model, grades), timed_rows(model, rates), run_id=run_id)
    return with_facts(made, suites={"core": {"sha256": suite}}, **facts)


def slower(factor: float) -> list[float]:
    return [rate * factor for rate in RATES]


def figures(a: Run, b: Run) -> dict[str, tuple[float, bool]]:
    return {row.metric: (row.change, row.worse) for row in compare_runs(a, b).rows}


def test_what_got_worse_is_a_regression_and_what_got_better_is_not() -> None:
    a, b = run(GOOD, RATES, "a"), run(BAD, slower(1.5), "b")
    found = figures(a, b)
    assert found["core, share correct"] == (pytest.approx(-0.65), True)
    assert found["decode tok/s, fixed shape"] == (pytest.approx(0.5), False)
    back = figures(b, a)
    assert back["core, share correct"][1] is False
    assert back["decode tok/s, fixed shape"][1] is False  # slower, but nothing says what noise is here
    assert any("its noise floor is not known" in note for note in compare_runs(b, a).notes)


def test_a_run_does_not_differ_from_itself() -> None:
    a = run(GOOD, RATES, "a")
    found = compare_runs(a, a)
    assert not found.regressions and not any(row.significant for row in found.rows)
    lines = report_lines(found)
    assert lines[-1] == "no significant regression" and any("~ (+0.0 points" in line for line in lines)


def test_a_speed_difference_below_the_noise_of_a_model_against_itself_is_no_regression() -> None:
    noisy = made_run(timed_rows("m", RATES), timed_rows("m@again", slower(1.1)), run_id="a")
    worse = made_run(timed_rows("m", slower(0.95)), run_id="b")
    assert not compare_runs(noisy, worse).regressions
    quiet = made_run(timed_rows("m", RATES), timed_rows("m@again", RATES), run_id="a")
    assert [row.metric for row in compare_runs(quiet, worse).regressions] == ["decode tok/s, fixed shape"]


def test_suites_with_other_prompts_are_left_out_with_a_note_and_nothing_left_is_a_refusal() -> None:
    a, b = run(GOOD, RATES, "a"), run(BAD, RATES, "b", suite="other")
    found = compare_runs(a, b)
    assert "suite core has other prompts in the two runs: left out" in found.notes
    assert not any("share correct" in row.metric for row in found.rows)
    apart = [with_facts(made_run(graded_rows("m", GOOD)), suites={name: {"sha256": "x"}}) for name in ("p", "q")]
    with pytest.raises(RunError, match="nothing to compare: suite p is in r only: left out; suite q is in r only"):
        compare_runs(*apart)


def test_speeds_of_two_cpus_are_not_compared_and_other_settings_are_noted() -> None:
    a = run(GOOD, RATES, "a", config={"threads": 1}, llama_cpp={"variant": "avx2"})
    b = run(GOOD, RATES, "b", config={"threads": 2}, llama_cpp={"variant": "avx512"})
    found = compare_runs(a, b)
    assert {"threads: 1 → 2", "llama.cpp variant: avx2 → avx512"} <= set(found.notes)
    other = with_facts(b, machine={"cpu": "another"})
    found = compare_runs(a, other)
    assert "speeds were not compared: a CPU and another" in found.notes
    assert [row.metric for row in found.rows] == ["core, share correct"]


def test_runs_of_one_model_each_compare_those_and_others_need_a_model_in_common() -> None:
    (first, *_) = compare_runs(run(GOOD, RATES, "a"), run(BAD, RATES, "b", model="new")).rows
    assert first.model == "m → new"
    two = made_run(graded_rows("x", "10"), graded_rows("y", "10"), run_id="two")
    with pytest.raises(RunError, match=r"a \(m\) and two \(x, y\) share no model"):
        compare_runs(run(GOOD, RATES, "a"), two)


def test_a_base_of_one_run_is_compared_with_a_fine_tune_of_another() -> None:
    made = made_run(graded_rows("m", BAD), graded_rows("y", GOOD), run_id="two")
    two = with_facts(made, suites={"core": {"sha256": "same"}})
    (found,) = compare_runs(run(BAD, RATES, "a"), two, models=("m", "y")).rows
    assert (found.model, found.a, found.b, found.n) == ("m → y", 0.25, 0.9, 40)
    with pytest.raises(RunError, match=r"^two has no model 'z'; it has: m, y$"):
        compare_runs(two, two, models=("m", "z"))


def on_disk(directory: Path, run: Run) -> str:
    with RunWriter(directory) as writer:
        write_manifest(directory, run.manifest)
        for row in run.rows:
            writer.write(row)
    return str(directory)


def test_the_command_ends_with_3_on_a_regression_and_0_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = on_disk(tmp_path / "a", run(GOOD, RATES, "a")), on_disk(tmp_path / "b", run(BAD, RATES, "b"))
    assert compare.main([a, b, "--json"]) == 3
    out = capsys.readouterr().out.splitlines()
    assert "regression: m, batched, core, share correct" in out
    assert json.loads(out[-1])["regressions"] == 1
    assert compare.main([b, a]) == 0
    assert compare.main([a, str(tmp_path / "none")]) == 1
    assert "is this a run's directory?" in capsys.readouterr().err


def test_a_run_of_the_schema_before_and_with_nan_is_read_and_compared(tmp_path: Path) -> None:
    a = on_disk(tmp_path / "a", run(GOOD, RATES, "a"))
    for path in (tmp_path / "a").iterdir():
        path.write_text(path.read_text().replace('"1.3"', '"1.0"').replace('"load_1m": null', '"load_1m": NaN'))
    assert "NaN" in (tmp_path / "a" / "samples.jsonl").read_text()
    b = on_disk(tmp_path / "b", run(GOOD, RATES, "b"))
    assert compare.main([a, b]) == 0
