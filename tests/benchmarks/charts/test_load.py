import json

import pytest

from benchmarks.charts.load import load_chart
from tests.benchmarks.runs.test_load import made_curve


def test_a_line_a_model_over_users_with_its_rates_in_the_words() -> None:
    curves = [made_curve(40.0, 22.0, None, 6.0), made_curve(9.0, 5.0, model="b")]
    spec = load_chart(curves, {"m": "M"}, {"m": "#111111", "b": "#222222"}).to_dict()
    assert "M: 40.0 at 1, 22.0 at 2, 6.0 at 8; b: 9.0 at 1, 5.0 at 2" in spec["description"]
    points = next(data for data in spec["datasets"].values() if len(data) > 1)
    assert [(point["label"], point["users"]) for point in points] == [("M", 1), ("M", 2), ("M", 8), ("b", 1), ("b", 2)]
    json.dumps(spec, allow_nan=False)


def test_a_server_and_a_machine_are_never_in_one_chart() -> None:
    with pytest.raises(ValueError, match="do not compare"):
        load_chart([made_curve(40.0), made_curve(9.0, model="b", server="there:80")], {})
    with pytest.raises(ValueError, match="no answer was long enough"):
        load_chart([made_curve(None)], {})
