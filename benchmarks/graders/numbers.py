"""Graders that look for numbers: numeric, sequence, quantity."""

import math
import re
from collections.abc import Mapping, Sequence

from benchmarks.graders.final import Final, final_number, first_number
from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong
from benchmarks.graders.numerals import LETTER, Numeral, is_small_word, numerals
from benchmarks.graders.typography import plain

_MAX_QUANTITIES = 5
_MAX_CHARACTERS = 16_000
_YEARS = (1000, 2100)
_LIST_MARK = re.compile(r"^\s*\d{1,2}[.)]\s+", re.MULTILINE)
_COMMA = re.compile(r"(?<=\d),(?=\d)")


def numeric(answer: str, *, value: float, tolerance: float = 1e-9, take: str = "final") -> Grade:
    r"""The number that a person would take for the answer, however it is written.

    That is the one in a box or after the last "the answer is", else the last result written, so that a model may show
    its work but cannot win by listing candidates: "41 or 42" and "40 to 42" are wrong, as is an answer without a
    number. A percentage is right as the number before the sign and as a hundredth of it.

    Args:
        value: The right number; where it may be a year, the years and days of dates count as numbers.
        tolerance: Largest accepted absolute difference.
        take: "final" as above, or "first" for questions whose answer is followed by further numbers.
    """
    _check_number("value", value)
    _check_tolerance(tolerance)
    if take not in ("final", "first"):
        raise GraderError(f"take is {take!r}; known: final, first")
    is_year = _YEARS[0] <= value <= _YEARS[1]
    given = first_number(answer) if take == "first" else final_number(answer, dates=is_year)
    if given.value is None:
        return wrong(given.instead)
    if _is_right(given, value, tolerance):
        return right(f"says {_written(given.value)}")
    return wrong(f"says {_written(given.value)}, not {_written(value)}")


def _is_right(given: Final, value: float, tolerance: float) -> bool:
    assert given.value is not None
    meant: tuple[float, ...] = (given.value, given.value / 100) if given.percent else (given.value,)
    return any(math.isclose(each, value, rel_tol=1e-9, abs_tol=tolerance) for each in (*meant, *given.also))


def sequence(answer: str, *, items: Sequence[float]) -> Grade:
    """These numbers one after another, with none between them, somewhere in the answer.

    Worked steps count too: "5 + 8 = 13, 8 + 13 = 21" gives 13, 21.
    """
    if len(items) < 2:
        raise GraderError(f"items has {len(items)}; a sequence needs at least 2 numbers")
    for item in items:
        _check_number("an item", item)
    text = plain(answer[:_MAX_CHARACTERS])
    every = numerals(text, lists=True)
    found = [each for each in every if not is_small_word(each)] or every
    stated = [each.value for each in found]
    results = [each.value for each in found if text[: each.start].rstrip().endswith("=")]
    wanted = [float(item) for item in items]
    written = ", ".join(map(_written, wanted))
    if _runs_in(wanted, stated) or _runs_in(wanted, results) or _runs_in(wanted, _listed(text)):
        return right(f"continues {written}")
    if not stated:
        return wrong("states no number")
    return wrong(f"does not continue {written}; its numbers end on {shown(', '.join(map(_written, stated[-6:])))}")


def _listed(text: str) -> list[float]:
    """A list's numbers without its marks ("1. 6"), and with a comma between any two ("100,121")."""
    return [each.value for each in numerals(_COMMA.sub(", ", _LIST_MARK.sub("", text)), lists=True)]


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
    found = _quantities(plain(answer[:_MAX_CHARACTERS]), {unit.casefold(): factor for unit, factor in units.items()})
    listed = ", ".join(map(_written, sorted(found)))
    if not found:
        return wrong(f"states no quantity in {', '.join(units)}")
    if len(found) > _MAX_QUANTITIES:
        return wrong(f"states {len(found)} different quantities: {shown(listed)}")
    if any(math.isclose(item, value, rel_tol=0, abs_tol=tolerance * abs(value)) for item in found):
        return right(f"states {listed}")
    return wrong(f"states {listed}, not {_written(value)}")


def _quantities(text: str, units: Mapping[str, float]) -> set[float]:
    """Every number with a unit after it, converted."""
    longest_first = "|".join(sorted(map(re.escape, units), key=len, reverse=True))
    unit = re.compile(rf"[\s-]*({longest_first})(?![{LETTER}\d])", re.IGNORECASE)
    found = set()
    for each in numerals(text):
        if match := unit.match(text, _unit_start(text, each)):
            found.add(each.value * units[match[1].casefold()])
    return found


def _unit_start(text: str, number: Numeral) -> int:
    """Where its unit may begin: a percent sign is read as a part of the number, and is a unit too."""
    return text.rfind("%", number.start, number.end) if number.percent and text[number.end - 1] == "%" else number.end


def _written(number: float) -> str:
    """A number for a reason: whole ones in full, others with six digits."""
    return f"{number:.0f}" if abs(number) < 1e15 and number == round(number) else f"{number:g}"


def _runs_in(wanted: list[float], found: list[float]) -> bool:
    length = len(wanted)
    return any(found[start : start + length] == wanted for start in range(len(found) - length + 1))


def _check_number(name: str, value: float) -> None:
    try:
        finite = math.isfinite(value)
    except OverflowError:  # a whole number of more than 308 digits
        raise GraderError(f"{name} has more than 308 digits; expected a smaller number") from None
    if not finite:
        raise GraderError(f"{name} is {value}; expected a finite number")


def _check_tolerance(tolerance: float) -> None:
    if not 0 <= tolerance < math.inf:
        raise GraderError(f"tolerance is {tolerance}; expected 0 or more")
