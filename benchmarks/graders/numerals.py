"""Numbers in a text, as a person reads them: their values and where they stand."""

import math
import re
from typing import NamedTuple

from benchmarks.graders.typography import THIN, WORD, WORD_END

LETTER = "A-Za-z\u00aa\u00b5\u00ba-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0370-\u0dff\u10a0-\u177f\u1e00-\u1fff"
"""Of scripts that put spaces between words: a digit after one is a part of a name, such as H2."""

_SCALES = {
    **dict.fromkeys(("dozen", "dozens"), 12.0),
    **dict.fromkeys(("hundred", "hundreds", "百"), 1e2),
    **dict.fromkeys(("thousand", "thousands", "千", "천"), 1e3),
    **dict.fromkeys(("万", "萬", "만"), 1e4),
    **dict.fromkeys(("lakh", "lakhs"), 1e5),
    **dict.fromkeys(("million", "millions", "mn", "mln", "mio", "Mio", "Millionen", "millones", "百万"), 1e6),
    **dict.fromkeys(("crore", "crores", "千万"), 1e7),
    **dict.fromkeys(("亿", "億", "억"), 1e8),
    **dict.fromkeys(("billion", "billions", "bn"), 1e9),
    **dict.fromkeys(("trillion", "trillions", "兆", "조"), 1e12),
}
_ATTACHED = {"k": 1e3, "K": 1e3, "m": 1e6, "M": 1e6, "B": 1e9, "T": 1e12}
_PARTS = {"hal": 2, "qua": 4}
_ALONE = {"half": 0.5, "quarter": 0.25, "dozen": 12.0, "half a dozen": 6.0}
_CURRENCY = rf"(?:(?:US|CA|AU|HK)?[$€£¥₹₽₩₺₪₫฿]|(?:USD|EUR|GBP|CHF|JPY|INR)(?![{LETTER}])|Rs\.?)"
_INTEGER = r"\d[\d,]*(?:\.\d+)?"
_NUMBER = re.compile(
    rf"(?=[-+.\d{WORD}$€£¥₹₽₩₺₪₫฿mMnNhHACEGHIJRU])"  # nothing else begins a number: most of the time is saved here
    rf"(?:(?<![{LETTER}\d.^])|(?<=\d[xX]))(?<![A-Za-z]_)(?<![A-Z]{{2}}-)(?<!\b[A-Z]-)(?<!\^-)(?<!\d[,'])"
    rf"(?P<minus>(?:[Mm]inus|[Nn]egative|MINUS|NEGATIVE)\s+)?"
    rf"(?P<sign>(?<!\d[ )])(?<![\d)}}%])(?<![A-Z]{{2}})(?<!\b[A-Z])[-+])?(?:(?P<currency>{_CURRENCY}\s?)(?P<sign2>-)?)?"
    rf"(?:(?P<halved>[Hh]alf\s+an?\s+)?{WORD}(?P<word>-?[\d.]+){WORD_END}"
    rf"|(?:(?P<whole>\d{{1,6}})[ ](?=\d+\s?/\s?\d))?"
    rf"(?P<body>(?<!\d[ ])(?:\d{{1,2}}(?:[ ]\d{{3}})+|\d{{3}}[ ]\d{{3}})(?![ .]?\d)(?:,\d+)?(?!,?\d)"
    rf"|\d+(?:[,'_.{THIN}]\d+)*|\.\d+))"
    rf"(?:[eE](?P<exponent>[-+]?\d{{1,6}})(?![{LETTER}\d]))?"
    rf"(?:\s?\^\s?\(?(?P<power>[-+]?\d{{1,6}}))?"
    rf"(?:\s?[×xX]\s?10\s?\^\s?\(?(?P<ten>[-+]?\d{{1,6}}))?"
    rf"(?:\s?/\s?(?P<divisor>{_INTEGER})(?!\d))?"
    rf"(?:[ -]?{WORD}(?P<scale>10{{2,}}){WORD_END}"
    rf"|[ -]?(?P<named>{'|'.join(sorted(_SCALES, key=len, reverse=True))})(?![{LETTER}])"
    rf"|(?P<attached>[kKMBT]|(?(currency)m|(?!)))(?![{LETTER}\d/]))?"
    rf"(?:[ -]{WORD}(?P<part>\d+){WORD_END}(?:rd|th)s?\b|[ -](?P<named_part>hal(?:f|ves)|quarters?)\b)?"
    rf"(?P<and_half>\s+and\s+(?:a|one)\s+half\b)?"
    rf"(?P<percent>\s?%|\s?(?:percent|per\s?cent|pct)\b)?"
)
_ORDINAL = re.compile(r"(?:st|nd|rd|th)\b")
_HALF = re.compile(
    rf"\b(?:(?P<minus>minus|negative)\s+)?(?:(?:a|one)\s+)?(?P<part>half a dozen|dozen|half|quarter)"
    rf"(?:\s+a\s+{WORD}(?P<scale>10{{2,}}){WORD_END})?\b",
    re.IGNORECASE,
)
_ENGLISH_GROUPS = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|[1-9]\d?(?:,\d{2})+,\d{3}(?:\.\d+)?")
_EUROPEAN_GROUPS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+|[1-9]\d{0,2}(?:\.\d{3}){2,}")
_OTHER_GROUPS = re.compile(rf"\d{{1,3}}([ '_{THIN}])\d{{3}}(?:\1\d{{3}})*(?:[.,]\d+)?")
_BEFORE_SUBTRACTION = re.compile(rf"[\d{WORD_END})%](?:(?!\b(?:is|are|be|equals|makes|gives|leaves)\b)[^.,;:=\n])*\Z")
_BEFORE_DEBIT = re.compile(r"(?:\A|\b(?:is|was|are|were|of)|[=:])\s*\Z")
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
_UNIT_AFTER = re.compile(rf"[\s-]?([{LETTER}¢]+)")
_WIDEST_LOOK_BACK = 60
_SMALL = 10


class Numeral(NamedTuple):
    """One number.

    Attributes:
        value: As written; percent are not divided by a hundred.
        start, end: Where it stands in the text that was read.
        percent: A percent sign or word follows it.
        spelled: It is written in words.
    """

    value: float
    start: int
    end: int
    percent: bool = False
    spelled: bool = False


def numerals(text: str, *, lists: bool = False) -> list[Numeral]:
    """Every number of a text that `typography.plain` has made plain, in order.

    Read are signs and their words, currency, thousands in groups, fractions, powers of ten, e-notation, scale words,
    number words, and a decimal comma where it can be nothing else. What is no number, such as 1.2.3 and 1/0, is left
    out.

    Args:
        lists: Commas and spaces part the items of a list: "13,21" is two numbers.
    """
    found = [each for match in _NUMBER.finditer(text) for each in _numerals(match, text, lists)]
    return found or [_half(match) for match in _HALF.finditer(text)]


def is_small_word(number: Numeral) -> bool:
    """Whether it may be a pronoun ("the two", "this one"): beside digits it is no number unless something "is" it."""
    return number.spelled and abs(number.value) < _SMALL


def restated(text: str, given: Numeral) -> list[float]:
    """The same quantity as the given one, where the text has it in another unit: "90 minutes, or 1.5 hours"."""
    if _quantity(text, given) is None:
        return []
    return [each.value for each in numerals(text) if each.value != given.value and is_same(text, given, each)]


def is_same(text: str, one: Numeral, other: Numeral) -> bool:
    """Whether both have units of one kind, and come to the same."""
    mine, its = _quantity(text, one), _quantity(text, other)
    return bool(mine and its and mine[0] == its[0] and math.isclose(mine[1], its[1], rel_tol=1e-6))


def _numerals(match: re.Match[str], text: str, lists: bool) -> list[Numeral]:
    if match[0].isdigit():  # most are no more than that
        return [Numeral(float(match[0]), match.start(), match.end())]
    if match["word"] and _ORDINAL.match(text, match.end()):  # "third" is no number, "two thirds" is
        return []
    magnitudes = [float(match["word"])] if match["word"] else _magnitudes(match["body"], lists)
    if not magnitudes:
        return []
    *before, last = magnitudes
    value = _worked_out(last, match)
    if value is not None and match["whole"]:
        scale = _scale(match)
        proper = value < scale
        value, before = (value + float(match["whole"]) * scale, []) if proper else (value, [float(match["whole"])])
    start = match.start()
    listed = [Numeral(each, start, match.end()) for each in before]
    if value is None:
        return listed
    value = -value if _is_negative(match, text) else value
    return [*listed, Numeral(value, start, match.end(), bool(match["percent"]), bool(match["word"]))]


def _magnitudes(body: str, lists: bool) -> list[float]:
    """What digits and marks between them say: one number, several of a list, or none."""
    if body.isdigit() or (body.count(".") == 1 and body.replace(".", "").isdigit()):
        return [float(body)]
    if _ENGLISH_GROUPS.fullmatch(body):
        return [float(body.replace(",", ""))]
    if lists:
        return [each for part in re.split(rf"[, {THIN}]", body) for each in _magnitudes(part, False)]
    if _EUROPEAN_GROUPS.fullmatch(body):
        return [float(body.replace(".", "").replace(",", "."))]
    if groups := _OTHER_GROUPS.fullmatch(body):
        return [float(body.replace(groups[1], "").replace(",", "."))]
    if body.replace(",", "", 1).isdigit():
        return [float(body.replace(",", "."))]
    parts = body.split(",")
    return [float(part) for part in parts] if len(parts) > 1 and all(map(str.isdigit, parts)) else []


def _worked_out(magnitude: float, match: re.Match[str]) -> float | None:
    """The magnitude with everything that is written after it; None where that is no number."""
    if match["power"] and magnitude != 10:  # 2^6 is a calculation that is still to be made
        return None
    ten = int(match["exponent"] or 0) + int(match["ten"] or 0)
    try:
        value = 10.0 ** int(match["power"]) if match["power"] else magnitude
        value *= 10.0**ten if -300 < ten < 300 else float(f"1e{ten}")
        if match["divisor"]:
            value /= float(match["divisor"].replace(",", ""))
    except ZeroDivisionError:
        return None
    except OverflowError:
        return float("inf")
    if match["part"]:
        value /= float(match["part"]) or 1
    if match["named_part"]:
        value /= _PARTS[match["named_part"][:3]]
    value = value / 2 if match["halved"] else value + 0.5 if match["and_half"] else value
    return value * _scale(match)


def _scale(match: re.Match[str]) -> float:
    """Of "million", "k" and the like after it."""
    named, attached = _SCALES.get(match["named"] or "", 1.0), _ATTACHED.get(match["attached"] or "", 1.0)
    return float(match["scale"] or 1) * named * attached


def _is_negative(match: re.Match[str], text: str) -> bool:
    if (match["sign"] == "-") != bool(match["sign2"]):
        return True
    before = text[max(0, match.start() - _WIDEST_LOOK_BACK) : match.start()]
    if match["minus"]:
        return match["minus"][0] in "nN" or not _BEFORE_SUBTRACTION.search(before)
    debit = match["currency"] and before.endswith("(") and text.startswith(")", match.end())
    return bool(debit and _BEFORE_DEBIT.search(before[:-1]))


def _half(match: re.Match[str]) -> Numeral:
    value = _ALONE[match["part"].lower()] * float(match["scale"] or 1)
    return Numeral(-value if match["minus"] else value, match.start(), match.end(), spelled=True)


def _quantity(text: str, number: Numeral) -> tuple[str, float] | None:
    """Kind and size in the kind's smallest unit."""
    found = _UNIT_AFTER.match(text, number.end)
    if found is None or (unit := _UNITS.get(found[1]) or _UNITS.get(found[1].lower())) is None:
        return None
    return unit[0], number.value * unit[1]
