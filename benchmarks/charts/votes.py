"""The arena's standing as a chart."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.charts.frame import framed, model_colours
from benchmarks.statistics.votes import CENTRE, Strength

if TYPE_CHECKING:
    import altair as alt


def standing_chart(
    strengths: Sequence[Strength], labels: Mapping[str, str], palette: Mapping[str, str]
) -> "alt.LayerChart":
    """One line a model: its rating and the 95% interval; the average model stands at 1000.

    Args:
        labels: Model id to name; an id without one is shown itself.
        palette: Model id to colour.
    """
    import altair as alt
    import pandas as pd

    table = pd.DataFrame(
        {
            "model": [each.model for each in strengths],
            "name": [labels.get(each.model, each.model) for each in strengths],
            "rating": [each.rating for each in strengths],
            "low": [each.rating_low for each in strengths],
            "high": [each.rating_high for each in strengths],
            "votes": [each.votes for each in strengths],
        }
    )
    row = alt.Y("name:N", sort=list(table["name"]), title=None, axis=alt.Axis(labelLimit=240))
    base = alt.Chart(table).encode(y=row, color=model_colours(list(table["model"]), palette))
    scale = alt.Scale(zero=False, nice=True)
    intervals = base.mark_rule(strokeWidth=2, opacity=0.55).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    points = base.mark_point(filled=True, size=120, opacity=1).encode(
        x=alt.X("rating:Q", title="Rating, with its 95% interval", scale=scale),
        tooltip=["name:N", alt.Tooltip("rating:Q", format=".0f"), "votes:Q"],
    )
    centre = (
        alt.Chart(pd.DataFrame({"rating": [CENTRE]})).mark_rule(strokeDash=[4, 4], opacity=0.5).encode(x="rating:Q")
    )
    described = "; ".join(
        f"{name}: {each.rating:.0f} ({each.rating_low:.0f} to {each.rating_high:.0f})"
        for name, each in zip(table["name"], strengths, strict=True)
    )
    return framed([centre, intervals, points], f"Ratings with 95% intervals. {described}.", height=alt.Step(34))
