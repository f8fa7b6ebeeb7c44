import dataclasses
import json
import math
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analysis.points import AXES, COLUMNS, joined_points, model_points
from benchmarks.charts.frame import PALETTE, colour_of
from benchmarks.charts.scatter import QUALITY_TITLE, scatter
from benchmarks.runs.read import Row, Run, read_run
from data.models.registry import load_registry
from tests.benchmarks.made_runs import graded_rows, made_run

ROW = Row(
    model="a",
    model_sha256="a",
    suite="core",
    prompt_id="p",
    kind="facts",
    condition="timed-cold",
    repetition=0,
    seed=1,
    started_at="2026-01-01T00:00:00+00:00",
    prefill_tokens=50,
    prefill_s=0.1,
    decode_tokens=20,
    decode_s=0.2,
    completion_tokens=21,
    completion_characters=84,
    ttft_s=0.15,
    total_s=0.5,
    grade=1.0,
)


def rows(model: str, count: int = 6, **changes: Any) -> list[Row]:
    return [
        dataclasses.replace(
            ROW,
            **{
                "model": model,
                "prompt_id": f"p{place}",
                "grade": float(place % 2),
                "decode_s": 0.2 + place / 100,
                **changes,
            },
        )
        for place in range(count)
    ]


def run(*models: str, run_id: str = "r", extra: tuple[Row, ...] = ()) -> Run:
    facts = {model: {"label": model.upper(), "quantization": "q4_1", "peak_rss_bytes": 100} for model in models}
    made = [row for model in models for row in rows(model)]
    return Run(directory=Path(run_id), manifest={"run_id": run_id, "models": facts}, rows=(*made, *extra))


def luminance(colour: str) -> float:
    """WCAG 2.2 relative luminance."""
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", PALETTE)
@pytest.mark.parametrize("page", ["#ffffff", "#0e1117"])
def test_every_colour_is_legible_on_light_and_dark_pages(colour: str, page: str) -> None:
    lighter, darker = sorted((luminance(colour), luminance(page)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3


def test_a_model_keeps_its_colour_whatever_else_is_shown_or_added() -> None:
    order = ["a", "b", "c"]
    assert colour_of(["c"], order)["c"] == colour_of(["a", "b", "c"], order)["c"] == PALETTE[2]
    assert colour_of(["c", "a"], [*order, "d"]) == {"c": PALETTE[2], "a": PALETTE[0]}


def test_models_of_the_registry_and_from_elsewhere_have_colours() -> None:
    registry = list(load_registry())
    colours = colour_of([*registry, "mine"])
    assert len({colours[model] for model in registry[: len(PALETTE)]}) == min(len(PALETTE), len(registry))
    assert colours["mine"] in PALETTE
    many = [str(number) for number in range(40)]
    assert set(colour_of(many, many).values()) == set(PALETTE)


def test_there_is_one_point_per_run_model_and_condition() -> None:
    batched = tuple(rows("a", condition="batched", decode_s=0.01))
    points = model_points([run("a", "b", extra=batched), run("a", run_id="r2")])
    assert list(points.columns) == list(COLUMNS)
    assert len(points) == 4
    assert set(zip(points["run_id"], points["model"], points["condition"])) == {
        ("r", "a", "timed-cold"),
        ("r", "a", "batched"),
        ("r", "b", "timed-cold"),
        ("r2", "a", "timed-cold"),
    }


def test_a_point_holds_figures_and_intervals() -> None:
    point = model_points([run("a")]).iloc[0]
    assert point["decode_tok_per_s_low"] <= point["decode_tok_per_s"] <= point["decode_tok_per_s_high"]
    assert point["accuracy_low"] < point["accuracy"] == 0.5 < point["accuracy_high"]
    assert (point["label"], point["n"], point["correct"], point["peak_rss_bytes"]) == ("A", 6, 3, 100)
    assert point["s_per_correct_answer"] == pytest.approx(1.0)


def test_without_runs_the_table_of_points_is_empty_and_has_its_columns() -> None:
    assert list(model_points([]).columns) == list(COLUMNS)


def layers(chart: Any) -> list[dict[str, Any]]:
    return list(chart.to_dict()["layer"])


def test_the_chart_names_its_axes_with_units_and_draws_intervals_both_ways() -> None:
    spec = scatter(model_points([run("a", "b")]), {"a": "#111111", "b": "#222222"}).to_dict()
    text = json.dumps(spec, allow_nan=False)
    titles = {
        layer["encoding"][axis].get("title")
        for layer in spec["layer"]
        for axis in ("x", "y")
        if axis in layer["encoding"]
    }
    assert {AXES["decode_tok_per_s"].title, QUALITY_TITLE} <= titles
    rules = [layer["encoding"] for layer in spec["layer"] if layer["mark"]["type"] == "rule"]
    assert any("y2" in encoding for encoding in rules) and any("x2" in encoding for encoding in rules)
    assert "#111111" in text and "#222222" in text


def test_the_chart_has_tooltips_labels_a_description_and_no_background() -> None:
    spec = scatter(model_points([run("a", "b")])).to_dict()
    marks = {layer["mark"]["type"]: layer for layer in spec["layer"]}
    assert len(marks["point"]["encoding"]["tooltip"]) > 10
    assert "text" in marks
    assert spec["background"] == "transparent"
    assert "A: 88.9 tokens/s" in spec["description"] and "50% of 6 answers correct" in spec["description"]
    assert spec["usermeta"]["alt"] == spec["description"]


def test_names_of_points_that_lie_together_stand_in_different_places_in_a_wide_plot_and_in_a_narrow_one() -> None:
    spec = scatter(model_points([run("a", "b", "c")])).to_dict()
    (data,) = spec["datasets"].values()
    for form in ("wide", "middle", "narrow"):
        assert len({(point[f"{form}_dx"], point[f"{form}_dy"]) for point in data}) == 3
        assert {point[f"{form}_text"] for point in data} == {"A", "B", "C"}


def test_points_without_a_grade_or_a_speed_are_left_out_and_none_at_all_is_an_error() -> None:
    ungraded = Run(
        directory=Path("r"), manifest={"models": {"b": {}}}, rows=tuple(rows("b", grade=None, decode_tokens=2))
    )
    (data,) = scatter(model_points([run("a"), ungraded])).to_dict()["datasets"].values()
    assert [point["model"] for point in data] == ["a"]
    with pytest.raises(ValueError, match="no model has both"):
        scatter(model_points([ungraded]))


def test_a_single_sample_is_drawn_without_an_interval() -> None:
    alone = Run(directory=Path("r"), manifest={"models": {"a": {}}}, rows=(ROW,))
    points = model_points([alone])
    assert math.isnan(points.iloc[0]["decode_tok_per_s_low"])
    json.dumps(scatter(points).to_dict(), allow_nan=False)
    assert sum(layer["mark"]["type"] == "rule" for layer in layers(scatter(points))) == 1  # of the share alone


@pytest.mark.slow
def test_a_hundred_thousand_samples_are_read_aggregated_and_drawn_in_under_five_seconds(tmp_path: Path) -> None:
    facts = {"schema_version": "1.1", "models": {"a": {}, "b": {}}}
    (tmp_path / "run.json").write_text(json.dumps(facts))
    long = dataclasses.asdict(ROW) | {"answer": "word " * 60, "grade_reason": "says 'a'", "prompt_sha256": "c" * 64}
    with (tmp_path / "samples.jsonl").open("w") as file:
        for place in range(100_000):
            changes = {"model": "ab"[place % 2], "prompt_id": f"p{place}", "grade": float(place % 3 == 0)}
            file.write(json.dumps(long | changes) + "\n")
    scatter(model_points([run("a")])).to_dict()  # imports are not what is timed
    took = []
    while len(took) < 3 and min(took, default=9) >= 5:  # other tenants of the machine can only make it slower
        start = time.process_time()  # of this process: another's load is not ours
        points = model_points([read_run(tmp_path)])
        assert list(points["samples"]) == [50_000, 50_000]
        scatter(points).to_dict()
        took.append(time.process_time() - start)
    assert min(took) < 5, took


@pytest.mark.parametrize("axis", AXES)
def test_every_axis_can_be_drawn_against_quality_with_its_title_and_the_frontier(axis: str) -> None:
    facts = {"file_size_bytes": 9, "peak_rss_bytes": 7}
    both = made_run(
        graded_rows("a", "1110" * 5, condition="timed-cold"),
        graded_rows("b", "1000" * 5, condition="timed-cold", decode_s=0.1, ttft_s=0.05, total_s=0.2),
        facts={"a": facts, "b": facts},
    )
    spec = scatter(joined_points([both], axis=axis), axis=axis).to_dict()
    assert AXES[axis].title in json.dumps(spec)
    (data,) = [data for data in spec["datasets"].values() if len(data) == 2]
    assert {point["model"]: point["on_frontier"] for point in data}["a"]
    assert any(layer["mark"]["type"] == "line" for layer in spec["layer"])
    known = axis not in ("answer_s", "s_per_correct_answer")  # whose own uncertainty is not resampled
    assert all(0 <= point["p_on_frontier"] <= 1 if known else point["p_on_frontier"] is None for point in data)


def test_an_axis_that_is_not_known_or_was_not_measured_is_one_line() -> None:
    points = model_points([run("a")])
    with pytest.raises(ValueError, match="unknown axis 'joules'; known: decode_tok_per_s"):
        scatter(points, axis="joules")
    with pytest.raises(ValueError, match=r"a figure for file size \(mb\) yet"):
        scatter(points, axis="file_size_bytes")


def test_a_servers_speed_is_on_no_chart_and_its_answers_are() -> None:
    served_rows = [
        graded_rows("far", "1101", condition="as-served"),
        graded_rows("near", "1001", condition="timed-cold"),
    ]
    served = made_run(*served_rows)
    points = model_points([served]).set_index("model")
    assert points.loc["far"].isna()[["decode_tok_per_s", "ttft_s", "answer_s", "s_per_correct_answer"]].all()
    assert points.loc["near", "decode_tok_per_s"] > 0
    assert (points.loc["far", "accuracy"], points.loc["far", "condition"]) == (0.75, "as-served")
    priced = made_run(*served_rows, facts={"far": {"usd_per_million_in": 1.0, "usd_per_million_out": 2.0}})
    joined = joined_points([priced]).set_index("model")
    assert joined.loc["far", "usd_per_correct_answer"] == pytest.approx(4 * (50 + 2 * 21) / 1e6 / 3)
    assert joined["usd_per_correct_answer"].isna()["near"]
    assert joined.loc["far"].isna()[["decode_tok_per_s", "s_per_correct_answer"]].all()
