"""The load curve drawn: tokens a second of each user over how many there are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks.charts.frame import FRONTIER_COLOUR, framed, named_colours
from benchmarks.runs.load import LoadCurve

if TYPE_CHECKING:
    import altair as alt

_TOOLTIP = {
    "tok_per_s_per_user": ("Tokens/s each", ".1f"),
    "tok_per_s": ("Tokens/s in all", ".1f"),
    "ttft_p50_s": ("TTFT p50, s", ".2f"),
    "ttft_p95_s": ("TTFT p95, s", ".2f"),
    "gap_p50_s": ("Token to token p50, s", ".3f"),
    "gap_p95_s": ("Token to token p95, s", ".3f"),
    "answers_per_hour": ("Answers an hour", ".0f"),
}


def load_chart(
    curves: Sequence[LoadCurve], labels: Mapping[str, str], palette: Mapping[str, str] | None = None
) -> "alt.LayerChart":
    """A line a model. The dashed line is the rate of which the curves' sentences speak.

    Args:
        curves: Of one place: a machine, or a server.
        labels: Model id to name; one that is missing is shown itself.

    Raises:
        ValueError: No curve has a rate, or they are of several places.
    """
    import altair as alt
    import pandas as pd

    if len({curve.where for curve in curves}) > 1:
        raise ValueError("curves of several machines, or of a server and a machine, do not compare")
    names = {curve.model: labels.get(curve.model, curve.model) for curve in curves}
    rows = _rows(curves, names)
    if not rows:
        raise ValueError("no answer was long enough for a rate")
    enough = alt.Chart(pd.DataFrame({"enough": [curves[0].at_least]}))
    rule = enough.mark_rule(strokeDash=[4, 4], color=FRONTIER_COLOUR).encode(y="enough:Q")
    told = "; ".join(_words(curve, names[curve.model]) for curve in curves)
    words = f"Tokens a second of each user, on {curves[0].where}. {told}"
    return framed([rule, *_lines(rows, names, palette)], words, height=320)


def _rows(curves: Sequence[LoadCurve], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row a level whose rate is known, which a logarithmic axis can show."""
    return [
        {"label": names[curve.model], "users": level.users, **{name: getattr(level, name) for name in _TOOLTIP}}
        for curve in curves
        for level in curve.levels
        if level.tok_per_s_per_user
    ]


def _lines(
    rows: Sequence[Mapping[str, Any]], names: Mapping[str, str], palette: Mapping[str, str] | None
) -> "list[alt.Chart]":
    import altair as alt
    import pandas as pd

    users = alt.Axis(values=sorted({row["users"] for row in rows}), format="d")
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("users:Q", title="Users at once", scale=alt.Scale(type="log", base=2, padding=12), axis=users),
        y=alt.Y("tok_per_s_per_user:Q", title="Tokens/s of each", scale=alt.Scale(type="log", nice=False, padding=12)),
        color=named_colours(names, palette),
    )
    told = [alt.Tooltip("label", title="Model"), alt.Tooltip("users", title="Users")]
    told += [alt.Tooltip(name, title=title, format=form) for name, (title, form) in _TOOLTIP.items()]
    return [base.mark_line(), base.mark_point(filled=True, size=80, opacity=1).encode(tooltip=told)]


def _words(curve: LoadCurve, name: str) -> str:
    rates = [f"{level.tok_per_s_per_user:.1f} at {level.users}" for level in curve.levels if level.tok_per_s_per_user]
    return f"{name}: {', '.join(rates) or 'none'}"
