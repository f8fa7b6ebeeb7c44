"""Where the names of points stand, so that no two run into each other and none leaves the plot.

Worked out in pixels for a range of sizes, from the least plot to one `WIDER` and `HIGHER` times as large. In a larger
plot points move apart, each with its name; what is clear, in the same order, in the least plot and in the largest is
clear in all between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Align = Literal["left", "center", "right"]
MARK_PX = 8.0
WIDER, HIGHER = 8.0, 1.45
_GAP_PX = 10.0
_STEP = 0.8
"""Of a line: not 0 times, where the interval's bar lies."""
_ELLIPSIS = "…"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a name stands; its point is at 0, 0, and y goes down.

    Attributes:
        text: The name, cut where the whole one does not fit into the plot; empty where there is no room at all.
        dx, dy: Pixels to its anchor: across as `align` says, down to its middle.
    """

    text: str
    dx: float = 0.0
    dy: float = 0.0
    align: Align = "left"


@dataclass(frozen=True, kw_only=True)
class _Box:
    """Of a name or a mark, in pixels; `x` and `y` are those of the point that it belongs to."""

    x: float
    y: float
    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: "_Box") -> bool:
        """Whether they overlap in some plot of the range."""
        across, down = (WIDER - 1) * (other.x - self.x), (HIGHER - 1) * (other.y - self.y)
        beside = _apart((self.left, self.right), (other.left, other.right), across)
        above = _apart((self.top, self.bottom), (other.top, other.bottom), down)
        return not (beside or above)


def _apart(span: tuple[float, float], other: tuple[float, float], moves: float) -> bool:
    """Whether two spans are clear of each other, also where the other is moved by so much."""
    return span[1] <= other[0] + min(0.0, moves) or other[1] + max(0.0, moves) <= span[0]


def placed(
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    *,
    width: float,
    height: float,
    letter_px: float,
    line_px: float,
    step_px: float | None = None,
) -> list[Place]:
    """A place for each name, in the order of the points: those that stand first are served first.

    Args:
        points: Pixels from the left and the top of a plot of `width` × `height`.
        names: An empty one is not placed; its point is kept clear all the same.
        letter_px, line_px: What a letter takes across, and a name down.
        step_px: From one height that is tried to the next, the point's own first; the default leaves that to the
            interval's bar, and goes by names.
    """
    taken = [_box(point, point[0] - MARK_PX, point[1], 2 * MARK_PX, 2 * MARK_PX) for point in points]
    found = []
    for number, ((x, y), name) in enumerate(zip(points, names, strict=True)):
        others = [box for place, box in enumerate(taken) if place != number]
        text = _cut(name, int(width / letter_px))
        length = len(text) * letter_px
        spot = text and next(
            (
                (place, box)
                for place, box in _candidates(x, y, text, length, width, line_px, step_px)
                if box.top >= 0 and box.bottom <= height and not any(box.meets(other) for other in others)
            ),
            None,
        )
        found.append(spot[0] if spot else Place(text=""))
        if spot:
            taken.append(spot[1])
    return found


def _candidates(
    x: float, y: float, text: str, length: float, width: float, line_px: float, step_px: float | None
) -> Iterator[tuple[Place, _Box]]:
    """Places from the best to the worst: beside the point, above or below, then farther and farther away."""
    start = min(max(0.0, x - length / 2), width - length)
    half = line_px / 2
    by_name = _STEP * line_px
    step, first = (by_name, 1) if step_px is None else (step_px, 0)
    for far in range(first, 1 + int(7 * by_name / step)):
        for dy in (-far * step, far * step):
            sides: list[tuple[Align, float, float]] = [("left", _GAP_PX, x + _GAP_PX)]
            sides.append(("right", -_GAP_PX, x - _GAP_PX - length))
            if abs(dy) >= MARK_PX + half:
                sides.append(("left", start - x, start))
            for align, dx, left in sides:
                if left >= 0 and left + length <= width:
                    box = _box((x, y), left, y + dy, length, line_px)
                    yield Place(text=text, dx=dx, dy=dy, align=align), box


def _box(point: tuple[float, float], left: float, middle: float, length: float, height: float) -> _Box:
    half = height / 2
    return _Box(x=point[0], y=point[1], left=left, right=left + length, top=middle - half, bottom=middle + half)


def _cut(name: str, most: int) -> str:
    return name if len(name) <= most else name[: max(1, most - 1)].rstrip() + _ELLIPSIS
