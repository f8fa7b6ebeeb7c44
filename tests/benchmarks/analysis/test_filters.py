from benchmarks.analysis.figures import machines
from benchmarks.analysis.filters import Filters, narrowed, on_the_prompts_of, options
from benchmarks.runs.on_disk import load_runs
from data.paths import ROOT
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

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


def test_a_model_that_was_asked_few_prompts_is_compared_on_those_and_what_was_timed_stays() -> None:
    many = made_run(graded_rows("a", "1010"), graded_rows("b", "1100"), timed_rows("a", [50.0, 60.0]), run_id="many")
    few = made_run(graded_rows("c", "11"), run_id="few")
    first, second = on_the_prompts_of([many, few], "c")
    assert [(row.model, row.prompt_id) for row in first.rows if row.is_answer] == [
        ("a", "p0"),
        ("a", "p1"),
        ("b", "p0"),
        ("b", "p1"),
    ]
    assert sum(not row.is_answer for row in first.rows) == 2 and second.rows == few.rows
    assert on_the_prompts_of([many, few], "a", "c")[0].rows == first.rows
    assert on_the_prompts_of([many, few], "nobody") == [many, few]
