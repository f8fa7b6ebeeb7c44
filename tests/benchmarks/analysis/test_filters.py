from benchmarks.analysis.figures import machines
from benchmarks.analysis.filters import Filters, narrowed, options
from benchmarks.runs.on_disk import load_runs
from data.paths import ROOT

RUNS = load_runs([ROOT / "benchmarks" / "results"]).runs


def test_the_possible_choices_are_what_the_runs_have() -> None:
    found = options(RUNS)
    assert {"core", "reasoning"} <= set(found["suites"]) and {"8", "16", "none"} <= set(found["ranks"])
    assert "fixed-shape" not in found["kinds"]


def test_nothing_chosen_keeps_everything_and_a_choice_only_its_rows() -> None:
    assert narrowed(RUNS, Filters()) == list(RUNS)
    kept = narrowed(RUNS, Filters(suites=("core",), ranks=("16",)))
    assert kept and {run.models[row.model]["rank"] for run in kept for row in run.rows} == {16}
    assert {row.suite for run in kept for row in run.rows if row.is_answer} == {"core"}
    assert narrowed(RUNS, Filters(sizes=("none of them",))) == []


def test_machines_are_listed_newest_first_and_choosing_one_leaves_no_row_out() -> None:
    found = options(RUNS)["machine"]
    assert len(found) > 1 and found == machines(RUNS)
    assert narrowed(RUNS, Filters(machine=found[1])) == list(RUNS)
