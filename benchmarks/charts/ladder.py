"""A model's files as one small SVG: how fast each writes, against how far it is from the reference; the pick is large.

The way down goes by the square root of the KL divergence: zero has its place, and the small ones are told apart.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.charts.frame import FRONTIER_COLOUR, PALETTE
from benchmarks.charts.labels import Place, placed
from benchmarks.charts.svg import letters, ticks

_WIDTH, _HEIGHT = 440.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 14.0, 30.0, 44.0
_FONT, _LETTER = 13, 8.2
_KLS = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_APART_PX = 15.0


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One file.

    Attributes:
        kl, kl_low, kl_high: Mean KL divergence from the reference in nats, with its 95% interval.
        within: It keeps the budget, as far as that is known.
        said: What the picture in words says of it besides.
    """

    name: str
    tok_per_s: float
    kl: float
    kl_low: float
    kl_high: float
    within: bool
    picked: bool
    said: str = ""


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """From figures to pixels."""

    low: float
    high: float
    most: float

    def x(self, tok_per_s: float) -> float:
        return _LEFT + (tok_per_s - self.low) / (self.high - self.low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, kl: float) -> float:
        return _TOP + 10 + math.sqrt(max(0.0, kl) / self.most) * (_HEIGHT - _TOP - _BOTTOM - 20)


def ladder(rungs: Sequence[Rung], *, most_kl: float, ink: str) -> str:
    """The SVG.

    Args:
        most_kl: The budget's, drawn as a line.
        ink: Colour of axes and letters.

    Raises:
        ValueError: No file.
    """
    if not rungs:
        raise ValueError("no file has been measured yet")
    scale = _scale(rungs)
    ordered = sorted(rungs, key=lambda rung: (not rung.picked, not rung.within))
    parts = [*_axes(scale, ink), *_limit(scale, most_kl, ink), *(_mark(rung, scale) for rung in reversed(ordered))]
    parts += _names(ordered, scale, most_kl, ink)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(words(rungs))}" font-family="Inter, sans-serif" font-size="{_FONT}">'
        f"{''.join(parts)}</svg>"
    )


def words(rungs: Sequence[Rung]) -> str:
    """The picture in words, for who cannot see it."""
    told = [
        f"{rung.name}: {rung.tok_per_s:.1f} tokens/s, KL {rung.kl:.3g}"
        + (", picked" if rung.picked else "" if rung.within else ", over the budget")
        + (f", {rung.said}" if rung.said else "")
        for rung in rungs
    ]
    return f"Speed against distance from the reference. {'; '.join(told)}."


def _scale(rungs: Sequence[Rung]) -> _Scale:
    speeds = [rung.tok_per_s for rung in rungs]
    room = 0.1 * ((max(speeds) - min(speeds)) or max(speeds))
    most = max(rung.kl_high for rung in rungs) or _KLS[0]
    return _Scale(low=max(0.0, min(speeds) - room), high=max(speeds) + room, most=most)


def _axes(scale: _Scale, ink: str) -> list[str]:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines = [f'<path d="M{_LEFT} {_TOP}V{floor}H{right}" fill="none" stroke="{FRONTIER_COLOUR}"/>']
    for speed in ticks(scale.low, scale.high):
        lines.append(letters(scale.x(speed), floor + 17, f"{speed:g}", ink, "middle"))
    lines += [letters(_LEFT - 6, scale.y(kl) + 4, f"{kl:g}", ink, "end") for kl in _kl_ticks(scale)]
    lines.append(letters(right, _HEIGHT - 7, "faster: tokens a second →", ink, "end"))
    return [*lines, letters(4, 16, "↑ nearer to the reference: mean KL divergence", ink, "start")]


def _kl_ticks(scale: _Scale) -> Iterator[float]:
    """0 and round values, from the largest down, that keep clear of each other."""
    yield 0.0
    last = math.inf
    for kl in reversed(_KLS):
        if kl <= scale.most and last - scale.y(kl) >= _APART_PX <= scale.y(kl) - scale.y(0):
            last = scale.y(kl)
            yield kl


def _limit(scale: _Scale, most_kl: float, ink: str) -> list[str]:
    """The budget, where it lies within the picture."""
    if most_kl > scale.most:
        return []
    y = scale.y(most_kl)
    line = f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="{FRONTIER_COLOUR}" stroke-dasharray="4 4"/>'
    return [line, letters(_LEFT + 4, y - 4, f"at most {most_kl:g}", ink, "start")]


def _mark(rung: Rung, scale: _Scale) -> str:
    """Large and coloured, filled, or hollow: picked, within the budget, over it."""
    x, y = scale.x(rung.tok_per_s), scale.y(rung.kl)
    colour = PALETTE[0] if rung.picked else FRONTIER_COLOUR
    fill = colour if rung.picked or rung.within else "none"
    bar = f"M{x:.1f} {scale.y(rung.kl_low):.1f}V{scale.y(rung.kl_high):.1f}"
    return (
        f'<path d="{bar}" stroke="{colour}" stroke-width="2" opacity="0.55"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{9 if rung.picked else 5}" fill="{fill}" stroke="{colour}" '
        'stroke-width="2"/>'
    )


def _names(rungs: Sequence[Rung], scale: _Scale, most_kl: float, ink: str) -> Iterator[str]:
    """Each beside its mark, clear of the budget's line; one that had to go farther is tied to it."""
    points = [(scale.x(rung.tok_per_s) - _LEFT, scale.y(rung.kl) - _TOP) for rung in rungs]
    names = [rung.name + (": ship this" if rung.picked else "") for rung in rungs]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    line = [(across, scale.y(most_kl) - _TOP) for across in range(0, int(width), 16) if most_kl <= scale.most]
    places = placed(
        [*points, *line],
        [*names, *[""] * len(line)],
        width=width,
        height=height,
        letter_px=_LETTER,
        line_px=1.3 * _FONT,
    )
    for rung, (x, y), place in zip(rungs, points, places, strict=False):
        if place.text:
            yield from _name(rung, (_LEFT + x, _TOP + y), place, ink)


def _name(rung: Rung, point: tuple[float, float], place: Place, ink: str) -> Iterator[str]:
    x, y = point[0] + place.dx, point[1] + place.dy
    if abs(place.dy) > 1.5 * _FONT:
        far = f"M{point[0]:.1f} {point[1]:.1f}L{x:.1f} {y:.1f}"
        yield f'<path d="{far}" stroke="{FRONTIER_COLOUR}" stroke-width="0.8"/>'
    anchor = {"left": "start", "center": "middle", "right": "end"}[place.align]
    yield letters(x, y + 4, place.text, ink, anchor, bold=rung.picked)
