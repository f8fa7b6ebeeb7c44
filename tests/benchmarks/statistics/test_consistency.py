import dataclasses

from benchmarks.runs.read import Run
from benchmarks.statistics.consistency import batch_effect_text, batch_effects, consistencies
from tests.benchmarks.made_runs import graded_rows, made_run


def test_answers_that_differ_between_batched_and_alone_are_counted_over_the_prompts_that_have_both() -> None:
    alone = graded_rows("a", "1100", condition="timed-cold")
    batched = [*graded_rows("a", "110", answer="other")[:1], *graded_rows("a", "11011")[1:]]
    batched[2] = dataclasses.replace(batched[2], grade=1.0)
    (found,) = batch_effects(made_run(alone, batched, graded_rows("b", "11")))
    assert (found.model, found.n, found.differ.estimate, found.grades_differ.estimate) == ("a", 4, 0.25, 0.5)
    assert found.differ.low < 0.25 < found.differ.high
    assert batch_effect_text([found]) == "answers that differ between batched and alone: a 25% of 4"


def test_at_a_temperature_answers_differ_anyway_and_nothing_is_said_of_batches() -> None:
    run = made_run(graded_rows("a", "1", condition="timed-cold"), graded_rows("a", "1"))
    warm = Run(directory=run.directory, manifest={**run.manifest, "config": {"temperature": 0.7}}, rows=run.rows)
    assert batch_effects(run) and not batch_effects(warm)


def test_repetitions_agree_or_do_not_by_grade_and_by_text() -> None:
    first = graded_rows("a", "1100")
    second = [dataclasses.replace(row, repetition=1) for row in graded_rows("a", "1001")]
    second[0] = dataclasses.replace(second[0], answer="in other words")
    (found,) = consistencies(made_run(first, second, graded_rows("b", "11")))
    assert (found.model, found.n) == ("a", 4)
    assert (found.same_grade.estimate, found.same_answer.estimate) == (0.5, 0.75)
