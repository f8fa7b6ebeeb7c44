from benchmarks.charts.votes import standing_chart
from benchmarks.statistics.votes import PairVote, bradley_terry


def test_every_model_has_its_name_colour_rating_and_interval_in_the_chart_and_in_words() -> None:
    strengths = bradley_terry([PairVote(a="x", b="y", outcome="a"), PairVote(a="x", b="y", outcome="a")])
    chart = standing_chart(strengths, {"x": "Model X"}, {"x": "#111111", "y": "#222222"}).to_dict()
    rows = {row["name"]: row for dataset in chart["datasets"].values() for row in dataset if "name" in row}
    assert list(rows) == ["Model X", "y"]  # the stronger one first; an id without a label is shown itself
    for each, name in zip(strengths, rows, strict=True):
        assert (rows[name]["rating"], rows[name]["low"], rows[name]["high"]) == (
            each.rating,
            each.rating_low,
            each.rating_high,
        )
        assert f"{name}: {each.rating:.0f} ({each.rating_low:.0f} to {each.rating_high:.0f})" in chart["description"]
    assert rows["Model X"]["low"] < rows["Model X"]["rating"] < rows["Model X"]["high"]
    scales = [layer["encoding"]["color"]["scale"] for layer in chart["layer"] if "color" in layer["encoding"]]
    assert scales and all(
        dict(zip(each["domain"], each["range"])) == {"x": "#111111", "y": "#222222"} for each in scales
    )
