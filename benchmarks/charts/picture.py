"""Speed against quality as one small SVG for a first look: two models drawn large, the others as grey points.

Made of text alone, so that it is on the page before any chart library has been loaded.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import permutations
from operator import itemgetter

from benchmarks.analysis.figures import ModelFigures
from benchmarks.charts.frame import FRONTIER_COLOUR
from benchmarks.charts.labels import Place, placed
from benchmarks.charts.svg import letters, ticks
from benchmarks.statistics.frontier import frontier
from benchmarks.statistics.stats import Interval

_WIDTH, _HEIGHT = 440.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 30.0, 44.0
_FONT, _LETTER, _LINE, _STEP = 13, 8.2, 16.5, 4.0
_LARGE = 9


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One model in the picture: tokens/s, and the share of answers that are right."""

    model: str
    label: str
    speed: Interval
    share: Interval


def spots_of(figures: Iterable[ModelFigures]) -> list[Spot]:
    """Of the models that have both; of others there is nothing to draw."""
    known = [(each, each.decode_tok_per_s, each.accuracy) for each in figures]
    return [
        Spot(model=each.model, label=each.label, speed=speed, share=share)
        for each, speed, share in known
        if speed and share
    ]


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """From figures to pixels."""

    low: float
    high: float
    top: float

    def x(self, speed: float) -> float:
        return _LEFT + (speed - self.low) / (self.high - self.low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, share: float) -> float:
        return _TOP + (1 - share / self.top) * (_HEIGHT - _TOP - _BOTTOM)


def picture(spots: Sequence[Spot], pair: Sequence[str], palette: Mapping[str, str], *, ink: str) -> str:
    """The SVG.

    Args:
        pair: Models drawn large, with their names; those that are not among the spots are left out.
        ink: Colour of axes and letters.

    Raises:
        ValueError: No spot.
    """
    if not spots:
        raise ValueError("no model has both a speed and a grade yet")
    large = [spot for model in dict.fromkeys(pair) for spot in spots if spot.model == model]
    scale = _scale(spots, large)
    small = [spot for spot in spots if spot not in large]
    parts = [*_axes(scale, ink), _frontier_line(spots, scale), *(_small(spot, scale) for spot in small)]
    parts += [mark for spot in large for mark in _large(spot, scale, palette[spot.model])]
    parts += _names(large, small, scale, palette)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(words(spots, pair))}" font-family="Inter, sans-serif" font-size="{_FONT}">'
        f"{''.join(parts)}</svg>"
    )


def words(spots: Sequence[Spot], pair: Sequence[str]) -> str:
    """The picture in words, for who cannot see it."""
    told = [
        f"{spot.label}: {spot.speed.estimate:.0f} tokens/s, {spot.share.estimate:.0%} right"
        for spot in spots
        if spot.model in pair
    ]
    others = len(spots) - len(told)
    more = [f"{others} other model{'s' if others != 1 else ''} around them"] if others else []
    return f"Speed against quality. {'; '.join([*told, *more])}."


def _scale(spots: Sequence[Spot], large: Sequence[Spot]) -> _Scale:
    """Room for every point, for the intervals of those that have them drawn, and for a name above the best."""
    speeds = [spot.speed.estimate for spot in spots] + [end for spot in large for end in _ends(spot.speed)]
    shares = [spot.share.estimate for spot in spots] + [_ends(spot.share)[1] for spot in large]
    room = 0.1 * ((max(speeds) - min(speeds)) or max(speeds))
    return _Scale(low=max(0.0, min(speeds) - room), high=max(speeds) + room, top=min(1.0, max(shares) * 1.4) or 1.0)


def _ends(interval: Interval) -> tuple[float, float]:
    ends = (interval.low, interval.high)
    return ends if all(map(math.isfinite, ends)) else (interval.estimate, interval.estimate)


def _axes(scale: _Scale, ink: str) -> list[str]:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines = [f'<path d="M{_LEFT} {_TOP}V{floor}H{right}" fill="none" stroke="{FRONTIER_COLOUR}"/>']
    for speed in ticks(scale.low, scale.high):
        lines.append(letters(scale.x(speed), floor + 17, f"{speed:g}", ink, "middle"))
    for share in ticks(0.0, scale.top):
        lines.append(letters(_LEFT - 6, scale.y(share) + 4, f"{share:.0%}", ink, "end"))
    lines.append(letters(right, _HEIGHT - 7, "faster: tokens a second →", ink, "end"))
    return [*lines, letters(4, 16, "↑ better: answers that are right", ink, "start")]


def _frontier_line(spots: Sequence[Spot], scale: _Scale) -> str:
    best = frontier([s.speed.estimate for s in spots], [s.share.estimate for s in spots], more=True)
    there = sorted((s.speed.estimate, s.share.estimate) for s, on in zip(spots, best, strict=True) if on)
    steps = "".join(f"V{scale.y(share):.1f}H{scale.x(speed):.1f}" for speed, share in there)
    start = f"M{_LEFT} {scale.y(there[0][1]):.1f}"
    return f'<path d="{start}{steps}" fill="none" stroke="{FRONTIER_COLOUR}" stroke-dasharray="4 4"/>'


def _small(spot: Spot, scale: _Scale) -> str:
    x, y = scale.x(spot.speed.estimate), scale.y(spot.share.estimate)
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{FRONTIER_COLOUR}" opacity="0.6"/>'


def _large(spot: Spot, scale: _Scale, colour: str) -> list[str]:
    x, y = scale.x(spot.speed.estimate), scale.y(spot.share.estimate)
    left, right = map(scale.x, _ends(spot.speed))
    bottom, top = map(scale.y, _ends(spot.share))
    bars = f"M{left:.1f} {y:.1f}H{right:.1f}M{x:.1f} {bottom:.1f}V{top:.1f}"
    return [
        f'<path d="{bars}" stroke="{colour}" stroke-width="2" opacity="0.55"/>',
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_LARGE}" fill="{colour}"/>',
    ]


def _names(large: Sequence[Spot], small: Sequence[Spot], scale: _Scale, palette: Mapping[str, str]) -> list[str]:
    """The name of each large one, and below it its two figures; clear of the small ones' points that can be seen."""
    marks, dots = ([_place(spot, scale) for spot in spots] for spots in (large, small))
    points = marks + [dot for dot in dots if all(math.dist(dot, mark) > _LARGE for mark in marks)]
    told = [_told(spot) for spot in large]
    longest = [max(lines, key=len) for lines in told]
    height = max(map(len, told), default=0) * _LINE
    parts = []
    for spot, lines, point, place in zip(large, told, points, _nearest(points, longest, height), strict=False):
        if place.text:
            parts += _written(lines, point, place, palette[spot.model])
    return parts


def _place(spot: Spot, scale: _Scale) -> tuple[float, float]:
    return scale.x(spot.speed.estimate) - _LEFT, scale.y(spot.share.estimate) - _TOP


def _told(spot: Spot) -> list[str]:
    """Whose it is, how it was made, and its figures."""
    whose, _, how = spot.label.partition(" · ")
    return [*filter(None, [whose, how]), f"{spot.speed.estimate:.0f} tokens/s, {spot.share.estimate:.0%} right"]


def _nearest(points: Sequence[tuple[float, float]], names: Sequence[str], tall: float) -> list[Place]:
    """Places of the first points' names, served in the order that leaves all of them nearest to their points."""
    width, height, far = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM, _WIDTH + _HEIGHT
    rest = points[len(names) :]
    found = []
    for order in permutations(range(len(names))):
        served, of = [points[place] for place in order], [names[place] for place in order]
        sizes = {"width": width, "height": height, "letter_px": _LETTER, "line_px": tall, "step_px": _STEP}
        places = placed([*served, *rest], [*of, *[""] * len(rest)], **sizes)
        away = sum(math.hypot(place.dx, place.dy) if place.text else far for place in places[: len(order)])
        found.append((away, [places[order.index(number)] for number in range(len(order))]))
    return min(found, key=itemgetter(0))[1]


def _written(lines: Sequence[str], point: tuple[float, float], place: Place, colour: str) -> list[str]:
    x, top = _LEFT + point[0] + place.dx, _TOP + point[1] + place.dy - len(lines) * _LINE / 2
    anchor = {"left": "start", "center": "middle", "right": "end"}[place.align]
    last = len(lines) - 1
    return [
        letters(x, top + (number + 0.8) * _LINE, line, colour, anchor, bold=number < last)
        for number, line in enumerate(lines)
    ]
