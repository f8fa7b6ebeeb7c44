"""Replies against each other: a small picture while they are written, and at the end what came of it in one line."""

from collections.abc import Callable, Sequence
from html import escape

from app.chat.diff import common_share
from app.chat.lanes import Lane

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 400.0, 116.0, 8.0, 60.0, 10.0, 24.0
_MOST_POINTS = 60
_GREY = "#808080"
_ALIKE = 1.05
"""Below this factor two times are called alike: so much the same prompt differs from one time to the next."""

Moment = tuple[float, float]


def race(lanes: Sequence[Lane], names: Sequence[str], colours: Sequence[str], *, ink: str) -> str | None:
    """Tokens over each model's own seconds as an SVG; None before anybody has written."""
    ways = [_way(lane) for lane in lanes]
    longest = max((way[-1][0] for way in ways if way), default=0.0)
    most = max((way[-1][1] for way in ways if way), default=0.0)
    if not longest or not most:
        return None
    parts = [f'<path d="M{_LEFT} {_HEIGHT - _BOTTOM}H{_WIDTH - _RIGHT}" stroke="{_GREY}"/>']
    parts.append(_text(_LEFT, _HEIGHT - 7, f"tokens over each model's own seconds, {longest:.1f} s so far", ink))
    ends = [_at(way[-1], longest, most)[1] if way else None for way in ways]
    for place, (way, name, colour, y) in enumerate(zip(ways, names, colours, _apart(ends), strict=True)):
        if way and y is not None:
            parts += [_line(way, longest, most, colour, dashed=place > 0), _text_of_end(way, name, colour, y)]
    label = escape(race_words(lanes, names))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{label}" font-family="Inter, sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def race_words(lanes: Sequence[Lane], names: Sequence[str]) -> str:
    return "; ".join(f"{name}: {lane.completion_tokens} tokens" for name, lane in zip(names, lanes, strict=True))


def outcome(lanes: Sequence[Lane], names: Sequence[str], grades: Sequence[str | None] = ()) -> str:
    """Who was faster, to the first token and in all, how long each reply is, and what they share.

    Empty where fewer than two wrote something.

    Args:
        grades: Of each lane in a word, for a suite's prompt.
    """
    written = [(name, lane) for name, lane in zip(names, lanes, strict=True) if lane.text and lane.done]
    if len(written) < 2:
        return ""
    parts = _seconds(written)
    parts.append(f"{_listed([f'{name} {lane.completion_tokens:,}' for name, lane in written])} tokens long")
    if len(written) == 2:
        share = common_share(written[0][1].text, written[1][1].text)
        parts += [f"{share:.0%} of the words are in both"] if share is not None else []
    if any(grades):
        parts.append(f"graded: {', '.join(f'{name} {grade}' for name, grade in zip(names, grades) if grade)}")
    return "; ".join(filter(None, parts)) + "."


def _seconds(written: Sequence[tuple[str, Lane]]) -> list[str | None]:
    """Who was faster; of a server's seconds and this machine's nothing is said in one number."""
    served = [name for name, lane in written if lane.as_served]
    if served and len(served) < len(written):
        return [f"{_listed(served) if len(served) > 1 else served[0]} as served, so that seconds are not compared"]
    return [
        _against(written, lambda lane: lane.decode_tok_per_s, "wrote", "{:.0f}", "tokens/s", more=True),
        _against(written, lambda lane: lane.ttft_s, "began", "{:.2f}", "s", more=False),
        _against(written, _total_s, "was done", "{:.1f}", "s", more=False),
    ]


def _against(
    written: Sequence[tuple[str, Lane]],
    figure: Callable[[Lane], float | None],
    verb: str,
    form: str,
    unit: str,
    *,
    more: bool,
) -> str | None:
    """The best against the worst, such as "A wrote 1.4× as fast as B (100 against 71 tokens/s)"."""
    known = [(value, name) for name, lane in written if (value := figure(lane))]
    if len(known) < 2:
        return None
    (worst, last), (best, first) = min(known), max(known)
    if not more:
        (worst, last), (best, first) = (best, first), (worst, last)
    factor = max(best, worst) / min(best, worst)
    values = f"{form.format(best)} against {form.format(worst)} {unit}"
    if factor < _ALIKE:
        return f"{first} and {last} {verb.replace('was', 'were')} {'alike fast' if more else 'together'} ({values})"
    return f"{first} {verb} {factor:.1f}× as {'fast' if more else 'soon'} as {last} ({values})"


def _total_s(lane: Lane) -> float | None:
    return lane.timings.total_s if lane.timings else None


def _listed(parts: Sequence[str]) -> str:
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def _way(lane: Lane) -> list[Moment]:
    """Seconds and tokens, from the start of the prompt on; of many moments every so-and-so-many-th and the last.

    Nothing of a lane that a server writes: its seconds are another machine's.
    """
    if lane.as_served:
        return []
    start = lane.ttft_s or 0.0
    moments = [(start + pace.decode_s, float(pace.tokens)) for pace in lane.paces]
    step = max(1, len(moments) // _MOST_POINTS)
    return [(start, 0.0), *moments[::step], *moments[-1:]] if moments else []


def _at(moment: Moment, longest: float, most: float) -> tuple[float, float]:
    x = _LEFT + moment[0] / longest * (_WIDTH - _LEFT - _RIGHT)
    return x, _TOP + (1 - moment[1] / most) * (_HEIGHT - _TOP - _BOTTOM)


def _line(way: Sequence[Moment], longest: float, most: float, colour: str, *, dashed: bool) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_at(moment, longest, most) for moment in way))
    dash = ' stroke-dasharray="6 3"' if dashed else ""
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2.5"{dash}/>'


def _text_of_end(way: Sequence[Moment], name: str, colour: str, y: float) -> str:
    return _text(_WIDTH - _RIGHT + 8, y + 4, f"{name} {way[-1][1]:.0f}", colour)


def _apart(ends: Sequence[float | None], least: float = 14.0) -> list[float | None]:
    """Heights of the names at the lines' ends, moved until none stands on another."""
    order = sorted((y, place) for place, y in enumerate(ends) if y is not None)
    found: list[float | None] = [None] * len(ends)
    floor = _HEIGHT - _BOTTOM - least * (len(order) - 1)
    last = -least
    for y, place in order:
        last = max(min(y, floor), last + least)
        found[place], floor = last, floor + least
    return found


def _text(x: float, y: float, text: str, colour: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}">{escape(text)}</text>'
