"""Charts of speed by itself: decoding after a context, and a model against itself."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from benchmarks.analysis.depth import DepthPoint
from benchmarks.analysis.speed_ratio import SelfRatio
from benchmarks.charts.frame import FRONTIER_COLOUR, ends, framed, model_colours, named_colours

if TYPE_CHECKING:
    import altair as alt


def depth_chart(points: Sequence[DepthPoint], palette: Mapping[str, str] | None = None) -> "alt.LayerChart":
    """Decode rate over tokens of context, a line a model, with 95% intervals.

    Raises:
        ValueError: No depth was timed.
    """
    import altair as alt
    import pandas as pd

    if not points:
        raise ValueError("no decoding after a context was timed; set depths in the benchmark's configuration")
    rows = [
        {"model": each.model, "label": each.label, "depth": each.depth, **ends("rate", each.decode_tok_per_s)}
        for each in points
    ]
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("depth:Q", title="Context before the first token (tokens)"),
        color=named_colours({each.model: each.label for each in points}, palette),
        detail="model:N",
    )
    rate = alt.Y("rate:Q", title="Decode speed (tokens/s)", scale=alt.Scale(zero=True))
    rates = {"rate": "Decode, tokens/s", "rate_low": "  from (95%)", "rate_high": "  to (95%)"}
    tooltip = [
        alt.Tooltip("label", title="Model"),
        alt.Tooltip("depth", title="Tokens of context"),
        *(alt.Tooltip(column, title=title, format=".1f") for column, title in rates.items()),
    ]
    words = "Decode speed over tokens of context. " + "; ".join(
        f"{each.label} at {each.depth}: {each.decode_tok_per_s.estimate:.1f} tokens/s" for each in points
    )
    ranges = base.mark_rule(strokeWidth=2, opacity=0.55).encode(y=alt.Y("rate_low:Q"), y2="rate_high:Q")
    layers = [
        base.mark_line().encode(y=rate),
        *([ranges] if any(row["rate_low"] is not None for row in rows) else []),  # an empty layer has no words
        base.mark_point(filled=True, size=80, opacity=1).encode(y=rate, tooltip=tooltip),
    ]
    return framed(layers, words, height=320)


def noise_chart(ratios: Sequence[SelfRatio], labels: Mapping[str, str] | None = None) -> "alt.LayerChart":
    """Each model's decode rate against its own in a second process: what no difference may be claimed below.

    Args:
        labels: Model id to name; an id without one is shown itself.

    Raises:
        ValueError: No model was measured twice.
    """
    import altair as alt
    import pandas as pd

    if not ratios:
        raise ValueError('no model was measured twice; add "ID@again" to the benchmark\'s models')
    names = {each.model: (labels or {}).get(each.model, each.model) for each in ratios}
    rows = [{"model": each.model, "name": names[each.model], **ends("ratio", each.ratio)} for each in ratios]
    base = alt.Chart(pd.DataFrame(rows))
    across = alt.X("ratio:Q", title="Decode rate against itself (×)", scale=alt.Scale(zero=False, padding=20))
    up = alt.Y("name:N", title=None, axis=alt.Axis(labelLimit=240))
    colour = model_colours([each.model for each in ratios])
    words = "Decode rate of each model against itself. " + "; ".join(
        f"{names[each.model]}: {each.ratio.estimate:.3f} [{each.ratio.low:.3f}, {each.ratio.high:.3f}]"
        for each in ratios
    )
    one = alt.Chart(pd.DataFrame({"one": [1.0]})).mark_rule(strokeDash=[4, 4], color=FRONTIER_COLOUR).encode(x="one:Q")
    layers = [
        one,
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(
            x=alt.X("ratio_low:Q"), x2="ratio_high:Q", y=up, color=colour
        ),
        base.mark_point(filled=True, size=120, opacity=1).encode(
            x=across, y=up, color=colour, tooltip=["name", alt.Tooltip("ratio", format=".3f")]
        ),
    ]
    return framed(layers, words, height=max(80, 40 * len(ratios)))
