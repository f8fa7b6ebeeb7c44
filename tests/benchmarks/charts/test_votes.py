from benchmarks.charts.votes import standing_chart
from benchmarks.statistics.votes import Battle, bradley_terry


def test_the_standing_is_drawn_with_its_intervals_and_told_in_words() -> None:
    strengths = bradley_terry([Battle(a="x", b="y", outcome="a"), Battle(a="x", b="y", outcome="a")])
    chart = standing_chart(strengths, {"x": "Model X"}, {"x": "#111111", "y": "#222222"}).to_dict()
    rows = next(iter(chart["datasets"].values()))
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["rule", "rule", "point"]
    assert any(row.get("name") == "Model X" for dataset in chart["datasets"].values() for row in dataset)
    assert rows and "Model X: " in chart["description"] and " to " in chart["description"]
