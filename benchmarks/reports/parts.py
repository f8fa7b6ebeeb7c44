"""What a report is put together from: sections of sentences, tables and charts, and how figures are written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.statistics.stats import Interval

_LONGEST_ANSWER = 160


@dataclass(frozen=True, kw_only=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report; `chart` is a Vega-Lite specification with the chart in words as its description."""

    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    chart: dict[str, Any] | None = None


def share_text(interval: Interval) -> str:
    return f"{interval.estimate:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def rest_text(interval: Interval) -> str:
    return f"{1 - interval.estimate:.0%} [{1 - interval.high:.0%}, {1 - interval.low:.0%}]"


def interval_text(interval: Interval | None, form: str = ".1f") -> str:
    if interval is None:
        return "–"
    known = interval.low == interval.low  # NaN where there is a single sample
    return f"{interval.estimate:{form}}" + (f" [{interval.low:{form}}, {interval.high:{form}}]" if known else "")


def number_text(value: Any, form: str, unit: float = 1.0) -> str:
    return "–" if value is None or value != value else f"{value / unit:{form}}"


def ended_text(point: dict[Any, Any], name: str, form: str) -> str:
    text = number_text(point[name], form)
    ends = [number_text(point[f"{name}_{end}"], form) for end in ("low", "high")]
    return text if "–" in ends else f"{text} [{', '.join(ends)}]"


def share_of_point(point: dict[Any, Any]) -> str:
    if point["accuracy"] != point["accuracy"]:
        return "–"
    return f"{point['correct']}/{point['n']} = {ended_text(point, 'accuracy', '.1%')}"


def shortened(answer: str | None) -> str:
    flat = " ".join((answer or "").split())
    return flat if len(flat) <= _LONGEST_ANSWER else flat[: _LONGEST_ANSWER - 1] + "…"


def chart_of(draw: Callable[[], Any]) -> dict[str, Any] | None:
    try:
        spec: dict[str, Any] = draw().to_dict()
    except ValueError:  # nothing to draw
        return None
    return spec
