"""What all charts share: colours, interval ends, and a frame with the chart in words."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.statistics.stats import Interval
from data.models.registry import load_registry

if TYPE_CHECKING:
    import altair as alt


def ends(name: str, interval: Interval | None) -> dict[str, float | None]:
    """Columns of an interval; what is not finite is None, for JSON has no word for it."""
    values = (interval.estimate, interval.low, interval.high) if interval else (None, None, None)
    columns = (name, f"{name}_low", f"{name}_high")
    return {column: v if v is not None and math.isfinite(v) else None for column, v in zip(columns, values)}


def model_colours(models: Sequence[str], palette: Mapping[str, str] | None = None) -> "alt.Color":
    """One colour a model, without a legend: the marks have labels."""
    import altair as alt

    colours, ids = palette or colour_of(models), list(dict.fromkeys(models))
    return alt.Color("model:N", scale=alt.Scale(domain=ids, range=[colours[model] for model in ids]), legend=None)


def named_colours(labels: Mapping[str, str], palette: Mapping[str, str] | None = None) -> "alt.Color":
    """The same with a legend below the chart, for lines: their ends lie so near each other that names would meet.

    Args:
        labels: Of each model id; marks need a column `label`.
    """
    import altair as alt

    colours = palette or colour_of(labels)
    scale = alt.Scale(domain=list(labels.values()), range=[colours[model] for model in labels])
    columns = alt.ExprRef(expr="width < 480 ? 1 : 2")
    legend = alt.Legend(
        orient="bottom", columns=columns, labelLimit=300, symbolType="stroke", symbolStrokeWidth=4, symbolOpacity=1
    )
    return alt.Color("label:N", title=None, scale=scale, legend=legend)


def framed(layers: Sequence["alt.Chart"], words: str, *, height: "int | alt.Step") -> "alt.LayerChart":
    """The layers on a transparent ground, legible on light and dark pages, with the chart in words."""
    import altair as alt

    return alt.LayerChart(
        layer=list(layers),
        height=height,
        background="transparent",
        description=words,
        usermeta={"alt": words, "intervals": "95%"},
        config=alt.Config(view=alt.ViewConfig(strokeOpacity=0)),
    )


FRONTIER_COLOUR = "#808080"


PALETTE = ("#0072b2", "#d55e00", "#00a37c", "#c2609f", "#3a98c9", "#6f5bc4", "#808080", "#9a6b00")
"""After Okabe and Ito's palette for colour-blind readers, adapted to be legible on light and dark pages.

Each has a contrast of at least 3:1 (WCAG 2.2, non-text) on white and on Streamlit's dark #0e1117; the original yellow,
orange and sky blue vanish on white, and black on dark. The first four differ clearly with red-green blindness too; that
is not possible for eight of similar lightness, so a label stands beside every mark. Source: Okabe and Ito 2008,
https://jfly.uni-koeln.de/color/.
"""


def colour_of(model_ids: Iterable[str], order: Sequence[str] | None = None) -> dict[str, str]:
    """The colour of each model, the same on every page and chart.

    It follows from the model's place in the registry, so that it stays when other models are shown, or added at the
    registry's end; after eight models the colours begin again. Models from elsewhere come after those, by name.

    Args:
        order: Ids in registry order; None reads the registry.
    """
    if order is None:
        order = list(load_registry())
    ids = list(model_ids)
    places = {model: place for place, model in enumerate([*order, *sorted(set(ids) - set(order))])}
    return {model: PALETTE[places[model] % len(PALETTE)] for model in ids}
