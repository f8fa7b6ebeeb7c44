"""One quantity in two units: "90 minutes, or 1.5 hours" is one answer, not two."""

import math
import re

from benchmarks.graders.numerals import LETTER, Numeral, numerals

_SIZES = {
    "time": "s sec secs second seconds 1|min mins minute minutes 60|h hr hrs hour hours 3600|day days 86400|"
    "week weeks 604800",
    "months": "month months 1|year years 12",
    "length": "mm millimetre millimetres millimeter millimeters .001|cm centimetre centimetres centimeter centimeters "
    ".01|m metre metres meter meters 1|km kilometre kilometres kilometer kilometers 1000",
    "imperial": "in inch inches 1|ft foot feet 12|yd yard yards 36",
    "mass": "mg milligram milligrams .001|g gram grams 1|kg kilogram kilograms 1000|t tonne tonnes 1000000",
    "volume": "ml millilitre millilitres milliliter milliliters .001|cl .01|l litre litres liter liters 1",
    "money": "¢ cent cents 1|dollar dollars 100",
}
_UNITS = {
    unit: (kind, float(size))
    for kind, units in _SIZES.items()
    for *names, size in map(str.split, units.split("|"))
    for unit in names
}
_AFTER = re.compile(rf"[\s-]?([{LETTER}¢]+)")


def restated(text: str, given: Numeral) -> list[float]:
    """The same quantity as the given one, where the text has it in another unit, too."""
    if _quantity(text, given) is None:
        return []
    return [each.value for each in numerals(text) if each.value != given.value and is_same(text, given, each)]


def is_same(text: str, one: Numeral, other: Numeral) -> bool:
    """Whether both have units of one kind, and come to the same."""
    mine, its = _quantity(text, one), _quantity(text, other)
    return bool(mine and its and mine[0] == its[0] and math.isclose(mine[1], its[1], rel_tol=1e-6))


def _quantity(text: str, number: Numeral) -> tuple[str, float] | None:
    """Kind and size in the kind's smallest unit."""
    found = _AFTER.match(text, number.end)
    if found is None or (unit := _UNITS.get(found[1]) or _UNITS.get(found[1].lower())) is None:
        return None
    return unit[0], number.value * unit[1]
