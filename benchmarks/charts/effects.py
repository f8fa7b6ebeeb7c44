"""Charts of what made a model what it is: size and rank (2×2), and the steps from its base."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmarks.analysis.waterfall import WaterfallStep
from benchmarks.charts.frame import PALETTE, ends, framed
from benchmarks.statistics.factorial import Factorial
from benchmarks.statistics.stats import points_text, wilson

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_NAMES_PX = 290
"""Of the first panel, in which the names stand above the bars: a phone shows the whole of it."""

BETTER, WORSE, UNSURE = "#00a37c", "#d55e00", "#808080"


def factorial_chart(effects: Factorial) -> "alt.LayerChart":
    """Share correct over rank, a line a size; parallel lines say that size and rank do not interact."""
    import altair as alt
    import pandas as pd

    rows = []
    for size in effects.sizes:
        for rank in effects.ranks:
            share = effects.shares[size, rank]
            interval = wilson(round(share * effects.n), effects.n)
            rows.append(
                {"size": size, "rank": str(rank), "model": effects.models[size, rank], **ends("share", interval)}
            )
    colour = alt.Color("size:N", scale=alt.Scale(domain=list(effects.sizes), range=list(PALETTE[:2])), legend=None)
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("rank:N", title="LoRA rank", sort=[str(rank) for rank in effects.ranks], axis=alt.Axis(labelAngle=0)),
        color=colour,
    )
    share_axis = alt.Y("share:Q", title="Share correct", axis=alt.Axis(format="%"), scale=alt.Scale(zero=True))
    last = base.transform_filter(f"datum.rank === '{effects.ranks[1]}'").mark_text(align="left", dx=10, fontWeight=600)
    layers = [
        base.mark_line().encode(y=share_axis),
        base.mark_rule(strokeWidth=2, opacity=0.55).encode(y=alt.Y("share_low:Q"), y2="share_high:Q"),
        base.mark_point(filled=True, size=120, opacity=1).encode(
            y=share_axis, tooltip=["model", "size", "rank", alt.Tooltip("share", format=".1%")]
        ),
        last.encode(y=share_axis, text="size:N"),
    ]
    return framed(layers, factorial_words(effects), height=320)


def factorial_words(effects: Factorial) -> str:
    """The effects in words, with their intervals."""
    small, large = effects.sizes
    low, high = effects.ranks
    return (
        f"{large} instead of {small}: {points_text(effects.size)} points; rank {high} instead of {low}: "
        f"{points_text(effects.rank)}; interaction: {points_text(effects.interaction)} (n={effects.n})."
    )


def waterfall_chart(steps: Sequence[WaterfallStep]) -> "alt.HConcatChart":
    """Quality, size and speed along the steps from a base to a model, one row a step.

    Raises:
        ValueError: No step.
    """
    import altair as alt
    import pandas as pd

    if not steps:
        raise ValueError("no step to draw")
    frame = pd.DataFrame([_row(number, step) for number, step in enumerate(steps)])
    order = alt.Scale(domain=list(frame["name"]))  # also of a step without a figure
    up = alt.Y("name:N", scale=order, title=None, axis=alt.Axis(labels=False, ticks=False))
    tone = alt.Color(
        "tone:N", scale=alt.Scale(domain=[BETTER, WORSE, UNSURE], range=[BETTER, WORSE, UNSURE]), legend=None
    )
    names = alt.Chart(frame).mark_text(align="left", dx=4, dy=-19, limit=_NAMES_PX, fontWeight=600, color=UNSURE)
    panels = [
        _panel(frame, "share", "Share correct", "change_text", up, tone, form="%")
        + names.encode(y=up, x=alt.value(0), text="name:N"),
        _panel(frame, "size_mb", "File size (MB)", "size_text", up, None),
        _panel(frame, "speed", "Decode rate (×, against the step before)", "speed_text", up, None),
    ]
    widths = (_NAMES_PX, 200, 200)
    words = waterfall_words(steps)
    return alt.HConcatChart(
        hconcat=[
            panel.properties(width=width, height=56 * len(steps)) for panel, width in zip(panels, widths, strict=True)
        ],
        background="transparent",
        description=words,
        usermeta={"alt": words, "intervals": "95%"},
        config=alt.Config(view=alt.ViewConfig(strokeOpacity=0)),
    )


def waterfall_words(steps: Sequence[WaterfallStep]) -> str:
    """The steps in words: what changed quality, and by how much."""
    parts = []
    for step in steps:
        change = f"{points_text(step.change.interval)} points" if step.change else "not measured"
        first = f"{step.share_correct:.1%} correct" if step.share_correct is not None else "not measured"
        parts.append(f"{step.link.label} ({step.link.step}): {first if step.link.step == 'base' else change}")
    return "From the base to the model: " + "; ".join(parts) + "."


def _row(number: int, step: WaterfallStep) -> dict[str, object]:
    change = step.change
    tone = UNSURE if change is None or not change.separable else BETTER if change.difference > 0 else WORSE
    size = step.size_change_bytes
    ratio = step.speed.ratio if step.speed else None
    return {
        "name": f"{number + 1}. {step.link.label}: {step.link.step}",
        "share": step.share_correct,
        "tone": tone,
        "change_text": f"{points_text(change.interval)}" if change else "",
        "size_mb": step.file_size_bytes / 1e6 if step.file_size_bytes else None,
        "size_text": f"{size / 1e6:+.0f} MB" if size is not None else "",
        "speed": ratio.estimate if ratio else None,
        "speed_text": f"{ratio.estimate:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]" if ratio else "",
    }


def _with_room(values: "pd.Series[float]") -> "alt.Scale":
    """From 0, with room for a text behind the longest bar."""
    import altair as alt

    known = [float(value) for value in values if value is not None and math.isfinite(value)]
    return alt.Scale(domain=[0.0, 1.7 * max(known, default=1.0) or 1.0], nice=False)


def _panel(
    frame: "pd.DataFrame", value: str, title: str, text: str, up: "alt.Y", tone: "alt.Color | None", form: str = ""
) -> "alt.LayerChart":
    import altair as alt

    across = alt.X(
        f"{value}:Q", title=title, axis=alt.Axis(format=form) if form else alt.Axis(), scale=_with_room(frame[value])
    )
    base = alt.Chart(frame).encode(y=up, x=across)
    bars = base.mark_bar(opacity=0.75, size=18)
    bars = bars.encode(color=tone) if tone is not None else bars.encode(color=alt.value(UNSURE))
    marks = bars, base.mark_text(align="left", dx=4, fontWeight=600, color=UNSURE).encode(text=f"{text}:N")
    return alt.LayerChart(layer=list(marks))
