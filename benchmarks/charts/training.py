"""A training's loss over its steps."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.charts.frame import PALETTE

if TYPE_CHECKING:
    import altair as alt


def curve_chart(readings: Sequence[dict[str, Any]]) -> "alt.Chart":
    """Training and validation loss; rows as `app.library.facts.training_curve` gives them."""
    import altair as alt
    import pandas as pd

    table = pd.DataFrame(list(readings))
    colour = alt.Scale(domain=["training", "validation"], range=list(PALETTE[:2]))
    last = table.groupby("text")["loss"].last()
    described = ", ".join(f"{text} {loss:.3f}" for text, loss in last.items())
    chart: alt.Chart = (
        alt.Chart(table, height=240, background="transparent", description=f"Loss at the end: {described}.")
        .mark_line(point=alt.OverlayMarkDef(size=18))
        .encode(
            x=alt.X("step:Q", title="Step"),
            y=alt.Y("loss:Q", title="Loss", scale=alt.Scale(zero=False)),
            color=alt.Color("text:N", scale=colour, title=None, legend=alt.Legend(orient="top")),
            strokeDash=alt.StrokeDash("text:N", legend=None),
            tooltip=["text:N", "step:Q", alt.Tooltip("loss:Q", format=".3f")],
        )
    )
    return chart
