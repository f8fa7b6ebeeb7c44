"""Right within T: the share of answers that are right and finished within a time, or within so many tokens."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.analysis.within import BUDGETS, SECONDS, Curve
from benchmarks.charts.frame import framed, named_colours

if TYPE_CHECKING:
    import altair as alt

_TITLES = {SECONDS: "Time that one has (seconds)", "tokens": "Tokens that one allows"}


def within_chart(curves: Sequence[Curve], palette: Mapping[str, str] | None = None) -> "alt.LayerChart":
    """A line a model with its 95% band; a line ends where its answers' token limits would decide.

    Raises:
        ValueError: No curve has a point.
    """
    import altair as alt
    import pandas as pd

    drawn = [each for each in curves if each.budgets]
    if not drawn:
        raise ValueError("no answers with a grade and measured rates, or their token limits cut too many")
    span = [BUDGETS[drawn[0].unit][0], BUDGETS[drawn[0].unit][-1]]
    base = alt.Chart(pd.DataFrame([row for each in drawn for row in _rows(each)])).encode(
        x=alt.X("budget:Q", title=_TITLES[drawn[0].unit], scale=alt.Scale(type="log", nice=False, domain=span)),
        color=named_colours({each.model: each.label for each in drawn}, palette),
        detail="model:N",
    )
    share = alt.Y("share:Q", title="Right and finished (share)", axis=alt.Axis(format="%"))
    tooltip = [
        alt.Tooltip("label", title="Model"),
        alt.Tooltip("budget", title="Within", format=".2f"),
        alt.Tooltip("share", title="Right and finished", format=".1%"),
        alt.Tooltip("low", title="  from (95%)", format=".1%"),
        alt.Tooltip("high", title="  to (95%)", format=".1%"),
    ]
    layers = [
        base.mark_area(opacity=0.18).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(strokeWidth=2.5).encode(y=share),
        base.mark_point(size=60, opacity=0).encode(y=share, tooltip=tooltip),
    ]
    return framed(layers, within_words(drawn), height=340)


def within_words(curves: Sequence[Curve]) -> str:
    """Each line at three of its points, in words."""
    return "Share of answers that are right and finished within a budget. " + "; ".join(
        f"{each.label}: "
        + ", ".join(f"{each.share[place]:.0%} within {each.budgets[place]:.3g} {each.unit}" for place in _places(each))
        for each in curves
    )


def _places(each: Curve) -> list[int]:
    last = len(each.budgets) - 1
    return sorted({last // 4, last // 2, last})


def _rows(each: Curve) -> list[dict[str, object]]:
    return [
        {
            "model": each.model,
            "label": each.label,
            "budget": budget,
            "share": each.share[place],
            "low": each.low[place],
            "high": each.high[place],
        }
        for place, budget in enumerate(each.budgets)
    ]
