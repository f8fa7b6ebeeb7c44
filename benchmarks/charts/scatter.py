"""Speed against quality, for the app and the reports: rows are aggregated before drawing."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from benchmarks.analysis.points import AXES
from benchmarks.charts.frame import FRONTIER_COLOUR, model_colours
from benchmarks.charts.labels import placed
from benchmarks.statistics.frontier import frontier

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

QUALITY_TITLE = "Graded quality (share correct)"

HEIGHT_PX = 380
_LEAST_HEIGHT_PX = 280
"""Of the plot itself, where axes and titles have to fit into the height, too."""

_LAYOUTS = (("wide", 960, 13), ("middle", 520, 13), ("narrow", 240, 11))
"""Least widths of the plot that names are placed for, each with the size of its letters, the widest first."""

_LETTER, _LINE = 0.64, 1.25
"""Of the font's size, what a letter takes across and a line down; of the widest usual font, at this weight."""


def scatter(
    points: "pd.DataFrame", palette: Mapping[str, str] | None = None, *, axis: str = "decode_tok_per_s"
) -> "alt.LayerChart":
    """One of `AXES` against graded quality: a mark per point, 95% intervals both ways, and the Pareto frontier.

    Points without a figure on the axis or a grade are left out.

    Args:
        palette: Model id to colour; None takes `colour_of`.
        axis: A key of `AXES`.

    Raises:
        ValueError: No point has both, or the axis is not known.
    """
    import altair as alt

    if axis not in AXES:
        raise ValueError(f"unknown axis {axis!r}; known: {', '.join(AXES)}")
    along = AXES[axis]
    drawn = _drawn(points, axis)
    base = alt.Chart().encode(color=model_colours(list(drawn["model"]), palette))
    span, ticks = alt.Scale(domain=_domain(drawn, axis), nice=False), alt.ExprRef(expr="max(3, width / 100)")
    across = alt.X(f"{axis}:Q", title=along.title, scale=span, axis=alt.Axis(tickCount=ticks, labelBound=True))
    up = alt.Scale(domain=_quality_domain(drawn), nice=False)
    quality = alt.Y("accuracy:Q", title=QUALITY_TITLE, axis=alt.Axis(format="%"), scale=up)
    steps: Literal["step-before", "step-after"] = "step-before" if along.more else "step-after"
    frontier_only = alt.Chart().transform_filter("datum.on_frontier")
    line = frontier_only.mark_line(interpolate=steps, strokeDash=[4, 4], color=FRONTIER_COLOUR)
    marks = base.mark_point(filled=True, size=140, opacity=1).encode(x=across, y=quality, tooltip=_tooltips(axis))
    words = _description(drawn, axis)
    return alt.LayerChart(
        data=drawn,  # once for all layers: Altair copies and checks the data of every layer that has its own
        layer=[
            line.encode(x=across, y=quality),
            *_ranges(base, across, quality, drawn, axis),
            marks,
            _labels(base, across, quality),
        ],
        height=HEIGHT_PX,
        background="transparent",
        description=words,
        usermeta={"alt": words, "intervals": "95%"},
        config=alt.Config(view=alt.ViewConfig(strokeOpacity=0)),
    )


def _ranges(
    base: "alt.Chart", across: "alt.X", quality: "alt.Y", drawn: "pd.DataFrame", axis: str
) -> list["alt.Chart"]:
    """The intervals in both directions; a layer without any would be a group without words for a screen reader."""
    rule = base.mark_rule(strokeWidth=2, opacity=0.55)
    both = {
        "accuracy": rule.encode(x=across, y="accuracy_low:Q", y2="accuracy_high:Q"),
        axis: rule.encode(x=f"{axis}_low:Q", x2=f"{axis}_high:Q", y=quality),
    }
    return [ranges for name, ranges in both.items() if drawn[f"{name}_low"].notna().any()]


def _drawn(points: "pd.DataFrame", axis: str) -> "pd.DataFrame":
    """The points that can be drawn, in the axis's unit, with their names, sides and place on the frontier."""
    drawn = points.dropna(subset=[axis, "accuracy"])
    along = AXES[axis]
    if drawn.empty:
        raise ValueError(f"no model has both a graded answer and a figure for {along.title.lower()} yet")
    drawn = drawn.assign(
        name=drawn["label"] + drawn["condition"].map(lambda it: "" if it == "timed-cold" else f" ({it})"),
        peak_rss_mb=drawn["peak_rss_bytes"] / 1e6,
        file_size_mb=drawn["file_size_bytes"] / 1e6,
        on_frontier=frontier(drawn[axis].to_list(), drawn["accuracy"].to_list(), more=along.more),
    )
    scaled = {name: drawn[name] / along.unit for name in (axis, f"{axis}_low", f"{axis}_high")}
    return _with_places(drawn.assign(**scaled), axis)


def _quality_domain(drawn: "pd.DataFrame") -> list[float]:
    """From 0, so that a small difference does not look like a large one, to a bit above the highest interval."""
    return [0.0, min(1.0, float(drawn["accuracy_high"].max()) + 0.05)]


def _domain(drawn: "pd.DataFrame", axis: str) -> list[float]:
    """From the lowest to the highest end of an interval, with room around: what places of names are worked out from."""
    low = float(drawn[[axis, f"{axis}_low"]].min().min())
    high = float(drawn[[axis, f"{axis}_high"]].max().max())
    room = 0.08 * ((high - low) or abs(high) or 1.0)
    return [low - room, high + room]


def _with_places(drawn: "pd.DataFrame", axis: str) -> "pd.DataFrame":
    """Columns of where each name stands, for each of the layouts; models on the frontier choose first."""
    low, high = _domain(drawn, axis)
    top = _quality_domain(drawn)[1]
    ordered = drawn.sort_values(["on_frontier", "accuracy"], ascending=False, kind="stable")
    across = [(value - low) / (high - low) for value in ordered[axis]]
    down = [_LEAST_HEIGHT_PX * (1 - share / top) for share in ordered["accuracy"]]
    for form, width, font in _LAYOUTS:
        places = placed(
            [(share * width, y) for share, y in zip(across, down, strict=True)],
            list(ordered["name"]),
            width=width,
            height=_LEAST_HEIGHT_PX,
            letter_px=_LETTER * font,
            line_px=_LINE * font,
        )
        for column in ("text", "dx", "dy", "align"):
            ordered[f"{form}_{column}"] = [getattr(place, column) for place in places]
    return ordered.loc[drawn.index]


def _labels(base: "alt.Chart", across: "alt.X", quality: "alt.Y") -> "alt.Chart":
    """The names where they were placed, for the width that the plot turns out to have."""
    import altair as alt

    def chosen(values: Sequence[str]) -> "alt.ExprRef":
        conditions = (f"width >= {least} ? {value} : " for (_, least, _), value in zip(_LAYOUTS, values[:-1]))
        return alt.ExprRef(expr="".join(conditions) + values[-1])

    mark: dict[str, Any] = {
        name: chosen([f"datum.{form}_{name}" for form, _, _ in _LAYOUTS]) for name in ("text", "dx", "dy", "align")
    }
    mark |= {"fontSize": chosen([str(font) for _, _, font in _LAYOUTS]), "fontWeight": 600, "baseline": "middle"}
    texts: alt.Chart = base.mark_text(**mark).encode(x=across, y=quality)
    return texts


def _tooltips(axis: str) -> list["alt.Tooltip"]:
    import altair as alt

    along = AXES[axis]
    shown = (
        ("label", "Model", ""),
        ("note", "From", ""),
        ("quantization", "Quantization", ""),
        (axis, along.title, along.form),
        (f"{axis}_low", "  from (95%)", along.form),
        (f"{axis}_high", "  to (95%)", along.form),
        ("accuracy", "Share correct", ".1%"),
        ("accuracy_low", "  from (95%)", ".1%"),
        ("accuracy_high", "  to (95%)", ".1%"),
        ("n", "Graded answers", "d"),
        ("p_on_frontier", "On the frontier, probability", ".0%"),
        ("decode_tok_per_s", "Decode, tokens/s", ".1f"),
        ("prefill_tok_per_s", "Prefill, tokens/s", ".0f"),
        ("ttft_s", "Time to first token, s", ".2f"),
        ("characters_per_s", "Characters/s", ".0f"),
        ("answer_s", "Seconds per answer", ".2f"),
        ("s_per_correct_answer", "Seconds per correct answer", ".2f"),
        ("peak_rss_mb", "Peak memory, MB", ".0f"),
        ("file_size_mb", "File size, MB", ".0f"),
    )
    return [
        alt.Tooltip(name, title=title, format=form, type="quantitative")
        if form
        else alt.Tooltip(name, title=title, type="nominal")
        for place, (name, title, form) in enumerate(shown)
        if name != axis or place < 4
    ]


def _description(drawn: "pd.DataFrame", axis: str) -> str:
    """The chart in words, for who cannot see it."""
    along = AXES[axis]
    columns = (drawn["name"], drawn[axis], drawn["accuracy"], drawn["n"], drawn["on_frontier"])
    unit = along.title.partition("(")[2].rstrip(")") or along.title.lower()
    parts = [
        f"{name}: {value:{along.form}} {unit}, {share:.0%} of {n} answers correct" + (", on the frontier" if on else "")
        for name, value, share, n, on in zip(*columns)
    ]
    return f"{along.title} against graded quality, with 95% intervals. {'; '.join(parts)}."
