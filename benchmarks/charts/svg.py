"""Pieces of pictures that are made of text alone, so that they are there before any chart library has been loaded."""

import math
from html import escape


def ticks(low: float, high: float) -> list[float]:
    """A few round values within."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next((unit * times for times in (1, 2, 5, 10) if unit * times >= rough), unit * 10)
    first = math.ceil(low / step)
    return [round(step * place, 10) for place in range(first, math.floor(high / step) + 1)]


def letters(x: float, y: float, text: str, colour: str, anchor: str, *, bold: bool = False) -> str:
    """A line of text; `anchor` is start, middle or end."""
    weight = ' font-weight="650"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
