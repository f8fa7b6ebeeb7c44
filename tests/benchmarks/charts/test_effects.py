import json

import pytest

from benchmarks.analysis.waterfall import waterfall
from benchmarks.charts.effects import BETTER, UNSURE, WORSE, factorial_chart, waterfall_chart
from benchmarks.statistics.factorial import factorial
from tests.benchmarks.analysis.test_waterfall import REGISTRY, SIZES
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows
from tests.benchmarks.statistics.test_factorial import square


def test_the_2x2_is_drawn_as_a_line_a_size_and_its_effects_are_in_the_words() -> None:
    spec = factorial_chart(factorial(square())).to_dict()
    (data,) = spec["datasets"].values()
    assert {(point["size"], point["rank"]): point["share"] for point in data}["135M", "16"] == 1.0
    assert "135M instead of 99M: +62.5 [" in spec["description"] and "interaction: +25.0 [" in spec["description"]
    assert spec["usermeta"]["alt"] == spec["description"] and spec["background"] == "transparent"
    json.dumps(spec, allow_nan=False)


def test_the_waterfall_colours_only_what_is_separable() -> None:
    grades = {"base": "1" * 20 + "0" * 20, "small": "0" * 40, "tuned": "1" * 40, "tuned-q4": "1" * 39 + "0"}
    run = made_run(
        *(graded_rows(model, mine) for model, mine in grades.items()),
        *(timed_rows(model, [100.0, 101, 99]) for model in grades),
        facts={model: {"file_size_bytes": size * 10**6} for model, size in SIZES.items()},
    )
    spec = waterfall_chart(waterfall([run], "tuned-q4", REGISTRY)).to_dict()
    assert len(spec["hconcat"]) == 3
    rows = [panel["layer"][0]["encoding"]["y"]["scale"]["domain"] for panel in spec["hconcat"]]
    assert rows[0] == rows[1] == rows[2] and len(rows[0]) == 4  # the base has no speed to compare, and keeps its row
    (data,) = spec["datasets"].values()
    assert [step["tone"] for step in data] == [UNSURE, WORSE, BETTER, UNSURE]
    assert data[1]["name"] == "2. small: layers removed" and data[1]["size_text"] == "-20 MB"
    assert "small (layers removed): -50.0 [" in spec["description"]
    json.dumps(spec, allow_nan=False)


def test_without_steps_there_is_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="no step"):
        waterfall_chart([])
