"""Mathematics that no cheap reading decides, such as roots and binomials: worked out by math-verify, bounded."""

import functools
import math
import re

from benchmarks.graders import bounded

_MATHEMATICS = re.compile(
    r"\\(?:d?frac|tfrac|sqrt|pi|binom|log|ln|exp|sin|cos|tan|pm|infty)\b|[√π∞]|\bsqrt\s*\(|\d!(?!\w)|\d\^"
)
_LATEX = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"\\?(?:\bsqrt|√)\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"√\s*(\d+(?:\.\d+)?)", r"\\sqrt{\1}"),
        (r"π", r"\\pi "),
        (r"×", r"\\times "),
        (r"÷", r"\\div "),
    )
]
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_MAX_CHARACTERS = 200


def is_mathematics(text: str) -> bool:
    r"""Whether a text that was made plain still holds what only mathematics reads, such as `\sqrt{2}`."""
    return _MATHEMATICS.search(text) is not None


def worked_out(text: str) -> float | None:
    """The value of a formula, or of the right side of an equation; None where it has none, or takes too long."""
    formula = re.split(r"[=≈]", text)[-1].strip(" $.,*\n")
    if len(formula) > _MAX_CHARACTERS or not is_mathematics(formula):
        return None
    for pattern, replacement in _LATEX:
        formula = pattern.sub(replacement, formula)
    if _WORD.search(formula):  # words of prose, which would be read as products of their letters
        return None
    try:
        return _value(formula)
    except (bounded.OutOfTime, bounded.BoundedError):
        return None


@functools.lru_cache(maxsize=4096)
def _value(formula: str) -> float | None:
    found = bounded.ask({"task": "mathematics", "text": formula})
    return float(found) if isinstance(found, int | float) and math.isfinite(found) else None
