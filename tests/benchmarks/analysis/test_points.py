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
