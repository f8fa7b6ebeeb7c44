"""Graders that look for numbers: numeric, sequence, quantity."""

import math
import re
from collections.abc import Mapping, Sequence

from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong

_UNSIGNED = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<number>(?:(?<![\d)])-)?{_UNSIGNED}|(?<!\d)-?\.\d+)(?:\s*/\s*(?P<divisor>\d+))?(?!\d)"
)
_STATED = re.compile(r"\banswer\b(?:\s+is|\s*[:=])+(?:(?![-−]?\.?\d)\W)*", re.IGNORECASE)
_RESULT = re.compile(rf"=\s*(-?{_UNSIGNED})")
_MAX_QUANTITIES = 5

_UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
_UNITS += "seventeen eighteen nineteen".split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_WORD_VALUES = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * value for value, word in enumerate(_TENS, start=2)
}
_NUMBER_WORDS = re.compile(
    rf"\b(?:(?:{'|'.join(_TENS)})[- ](?:{'|'.join(_UNITS[1:10])})|{'|'.join([*_TENS, *reversed(_UNITS)])})\b",
    re.IGNORECASE,
)


def numbers(text: str) -> list[float]:
    """Numbers as they appear: 1,083 is one, 3/4 is 0.75; where there are no digits, words up to ninety-nine count."""
    plain = text.replace("−", "-").replace("*", " ").replace("$", " ").replace("\\", " ")
    found = [_value(match["number"], match["divisor"]) for match in _NUMBER.finditer(plain)]
    return found or [_spelled(match[0]) for match in _NUMBER_WORDS.finditer(text)]


def numeric(answer: str, *, value: float, tolerance: float = 1e-9, take: str = "final") -> Grade:
    """The number that the answer ends on.

    That is the number after the last "the answer is", else the last number written, so that a model may show its work
    but cannot win by listing candidates. An answer without a number is wrong, not ungradable.

    Args:
        value: The right number.
        tolerance: Largest accepted absolute difference.
        take: "final" as above, or "first" for questions whose answer is followed by further numbers.
    """
    _check_number("value", value)
    _check_tolerance(tolerance)
    if take not in ("final", "first"):
        raise GraderError(f"take is {take!r}; known: final, first")
    stated = _STATED.split(answer)
    after = numbers(stated[-1]) if len(stated) > 1 else []
    found = numbers(answer)
    if not found:
        return wrong("states no number")
    given = found[0] if take == "first" else after[0] if after else found[-1]
    if math.isclose(given, value, rel_tol=1e-9, abs_tol=tolerance):
        return right(f"says {given:g}")
    return wrong(f"says {given:g}, not {value:g}")


def sequence(answer: str, *, items: Sequence[float]) -> Grade:
    """These numbers one after another, with none between them, somewhere in the answer.

    Worked steps count too: "5 + 8 = 13, 8 + 13 = 21" gives 13, 21.
    """
    if len(items) < 2:
        raise GraderError(f"items has {len(items)}; a sequence needs at least 2 numbers")
    stated = numbers(answer)
    results = [_value(match[1], None) for match in _RESULT.finditer(answer)]
    wanted = [float(item) for item in items]
    written = ", ".join(f"{item:g}" for item in wanted)
    if _runs_in(wanted, stated) or _runs_in(wanted, results):
        return right(f"continues {written}")
    if not stated:
        return wrong("states no number")
    return wrong(
        f"does not continue {written}; its numbers end on {shown(', '.join(f'{item:g}' for item in stated[-6:]))}"
    )


def quantity(answer: str, *, value: float, units: Mapping[str, float], tolerance: float) -> Grade:
    """A number with its unit, such as a height in metres or in feet, stated anywhere in a longer answer.

    An answer with more than five different quantities is a list, not a statement, and is wrong.

    Args:
        value: The right quantity, in the unit whose factor is 1.
        units: Accepted spellings, each with the factor that converts it to that unit: {"m": 1, "feet": 0.3048}.
        tolerance: Largest accepted difference as a share of `value`: 0.01 accepts 1%.
    """
    _check_number("value", value)
    _check_tolerance(tolerance)
    if not units or any(not isinstance(factor, int | float) or factor <= 0 for factor in units.values()):
        raise GraderError("units must map each spelling to a positive factor")
    spellings = {unit.casefold(): factor for unit, factor in units.items()}
    longest_first = sorted(map(re.escape, spellings), key=len, reverse=True)
    pattern = rf"(?<![\w.])({_UNSIGNED})[\s-]*({'|'.join(longest_first)})(?!\w)"
    found = {
        _value(number, None) * spellings[unit.casefold()]
        for number, unit in re.findall(pattern, answer.replace("*", ""), re.IGNORECASE)
    }
    listed = ", ".join(f"{item:g}" for item in sorted(found))
    if not found:
        return wrong(f"states no quantity in {', '.join(units)}")
    if len(found) > _MAX_QUANTITIES:
        return wrong(f"states {len(found)} different quantities: {shown(listed)}")
    if any(math.isclose(item, value, rel_tol=0, abs_tol=tolerance * abs(value)) for item in found):
        return right(f"states {listed}")
    return wrong(f"states {listed}, not {value:g}")


def _value(number: str, divisor: str | None) -> float:
    value = float(number.replace(",", ""))
    return value / float(divisor) if divisor and float(divisor) else value


def _spelled(words: str) -> float:
    return float(sum(_WORD_VALUES[word] for word in re.split(r"[- ]", words.casefold())))


def _runs_in(wanted: list[float], found: list[float]) -> bool:
    length = len(wanted)
    return any(found[start : start + length] == wanted for start in range(len(found) - length + 1))


def _check_number(name: str, value: float) -> None:
    if not math.isfinite(value):
        raise GraderError(f"{name} is {value}; expected a finite number")


def _check_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        raise GraderError(f"tolerance is {tolerance}; expected 0 or more")
