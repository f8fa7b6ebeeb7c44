from pathlib import Path

from app.result_filters import Choice, narrowed, options
from app.runs_on_disk import load_runs

RUNS = load_runs([Path(__file__).resolve().parents[2] / "benchmarks" / "results"]).runs


def test_the_possible_choices_are_what_the_runs_have() -> None:
    found = options(RUNS)
    assert {"core", "reasoning"} <= set(found["suites"]) and {"8", "16", "none"} <= set(found["ranks"])
    assert "fixed-shape" not in found["kinds"]


def test_nothing_chosen_keeps_everything_and_a_choice_only_its_rows() -> None:
    assert narrowed(RUNS, Choice()) == list(RUNS)
    kept = narrowed(RUNS, Choice(suites=("core",), ranks=("16",)))
    assert kept and {run.models[row.model]["rank"] for run in kept for row in run.rows} == {16}
    assert {row.suite for run in kept for row in run.rows if row.is_answer} == {"core"}
    assert narrowed(RUNS, Choice(sizes=("none of them",))) == []


def test_a_machine_gives_the_speeds_and_takes_no_untimed_answer_away() -> None:
    older = next(name for name in options(RUNS)["machines"] if name.endswith("avx512"))
    kept = narrowed(RUNS, Choice(machines=(older,)))
    assert {run.machine for run in kept for row in run.rows if row.condition == "timed-cold"} == {older}
    untimed = [row.condition for run in RUNS for row in run.rows].count("batched")
    assert [row.condition for run in kept for row in run.rows].count("batched") == untimed > 0
