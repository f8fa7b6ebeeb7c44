import json

import pytest

from benchmarks.analysis.depth import depth_points
from benchmarks.analysis.speed_ratio import self_ratios
from benchmarks.charts.speed import depth_chart, noise_chart
from benchmarks.runs.read import DEPTH, FIXED_SHAPE, Run
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows


def deep_run() -> Run:
    return made_run(
        *(
            timed_rows(model, [rate, rate + 1, rate + 2] * 2, suite=DEPTH, prompt_id=f"d{depth}-tg20", kind=FIXED_SHAPE)
            for model, rates in (("a", {512: 80.0, 0: 100.0}), ("b", {0: 50.0, 512: 45.0}))
            for depth, rate in rates.items()
        )
    )


def test_the_depth_curve_has_a_point_a_model_and_depth_with_intervals() -> None:
    points = depth_points(deep_run())
    assert [(each.model, each.depth) for each in points] == [("a", 0), ("a", 512), ("b", 0), ("b", 512)]
    assert points[0].decode_tok_per_s.estimate == pytest.approx(101) and points[0].prefill_tok_per_s is None
    assert points[1].prefill_tok_per_s is not None
    spec = depth_chart(points, {"a": "#111111", "b": "#222222"}).to_dict()
    assert "A at 512: 81.0 tokens/s" in spec["description"]
    assert "#111111" in json.dumps(spec, allow_nan=False)


def test_too_few_samples_for_an_interval_are_drawn_without_one() -> None:
    marks = [layer["mark"]["type"] for layer in depth_chart(depth_points(deep_run())).to_dict()["layer"]]
    alone = made_run(timed_rows("a", [50.0], suite=DEPTH, prompt_id="d0-tg20", kind=FIXED_SHAPE))
    fewer = [layer["mark"]["type"] for layer in depth_chart(depth_points(alone)).to_dict()["layer"]]
    assert marks.count("rule") == 1 and fewer == [mark for mark in marks if mark != "rule"]


def test_a_failed_sample_gives_no_depth_point_and_none_is_an_error() -> None:
    failed = made_run(timed_rows("a", [50.0], suite=DEPTH, prompt_id="d0-tg20", error="died"))
    assert depth_points(failed) == []
    with pytest.raises(ValueError, match="set depths"):
        depth_chart([])


def test_a_model_against_itself_is_drawn_around_one() -> None:
    run = made_run(timed_rows("a", [100.0, 100, 100]), timed_rows("a@again", [102.0, 99, 101]), graded_rows("b", "1"))
    (ratio,) = self_ratios(run)
    assert ratio.model == "a" and ratio.ratio.estimate == pytest.approx(1.01)
    spec = noise_chart([ratio]).to_dict()
    assert "a: 1.010 [0.990, 1.020]" in spec["description"]
    with pytest.raises(ValueError, match="@again"):
        noise_chart([])
