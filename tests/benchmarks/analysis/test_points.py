import dataclasses

from benchmarks.analysis.points import joined_points
from tests.benchmarks.made_runs import graded_rows, made_run


def test_only_models_that_were_asked_the_same_prompts_are_alike() -> None:
    many = made_run(
        graded_rows("a", "1110" * 5, condition="timed-cold"), graded_rows("b", "1000" * 5, condition="timed-cold")
    )
    few = made_run(graded_rows("c", "11", condition="timed-cold"))
    few = dataclasses.replace(few, manifest=few.manifest | {"created_at": "2030-01-01"})  # newer, but of fewer models
    points = joined_points([few, many]).set_index("model")
    assert dict(points["alike"]) == {"c": False, "a": True, "b": True}
    assert points.loc["a", "p_on_frontier"] >= 0
    assert points["p_on_frontier"].isna()["c"]


def test_models_with_speeds_are_drawn_and_not_a_larger_group_without_any() -> None:
    timed = made_run(graded_rows("a", "1110", condition="timed-cold"), graded_rows("b", "1000", condition="timed-cold"))
    asked = made_run(*(graded_rows(model, "1" * 9, condition="batched") for model in "cdef"), run_id="asked", day=2)
    points = joined_points([timed, asked]).set_index("model")
    assert set(points.index[points["alike"]]) == {"a", "b"}
