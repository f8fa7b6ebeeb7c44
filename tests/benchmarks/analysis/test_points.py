import dataclasses

from benchmarks.analysis.points import joined_points
from benchmarks.charts.scatter import _label_sides
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


def test_of_two_near_points_the_upper_has_its_label_above() -> None:
    lower, upper = _label_sides([104.6, 105.3, 150.0], [0.24, 0.27, 0.1])[:2]
    assert (lower % 2, upper % 2) == (1, 0)
