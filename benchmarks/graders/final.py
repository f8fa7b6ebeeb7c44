"""The final number of an answer: the one that a person would take for the answer."""

import re
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.graders.mathematics import is_mathematics, worked_out
from benchmarks.graders.numerals import Numeral, is_same, is_small_word, numerals, restated
from benchmarks.graders.statement import boxed, corrections, stated, without_afterthoughts
from benchmarks.graders.typography import WORD, plain

MAX_CHARACTERS = 16_000
"""Of the answer's end that are searched; a final answer is not further up."""

_MONTH = r"(?:jan|feb|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DATE = re.compile(
    r"\b(?:19|20)\d\d[-/.]\d{1,2}[-/.]\d{1,2}\b|\b\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d\b"
    rf"|\b{_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?,?\s+(?:19|20)\d\d\b"
    rf"|\b(?:\d{{1,2}}(?:st|nd|rd|th)?\s+)?{_MONTH},?\s+(?:19|20)\d\d\b"
    r"|\b(?:as of|since|updated(?: in)?|in|by|until)\s+(?:19|20)\d\d\b",
    re.IGNORECASE,
)
_BESIDE = re.compile(
    r"\[\^?\d{1,3}(?:\s*[,-]\s*\d{1,3})*\]|https?://\S+"
    r"|\((?:see|cf\.?|p\.|pp\.|page|source|eq\.|fig\.|table|ref)[^)\n]*\)"
    r"|\b\d{1,2}:\d{2}\b(?::\d{2})?",
    re.IGNORECASE,
)
_MAY_BE_BESIDE = re.compile(r"[\[(]|\d:\d|http")
_DIGITS = re.compile(rf"(?<![{WORD}\d.-])\d")
_MAY_HAVE_NUMBER = re.compile(r"\d|[Hh]alf|[Qq]uarter")
_YEAR = re.compile(r"(?:19|20)\d\d")
_SENTENCE_END = re.compile(r"[.!?。](?<!\bapprox.)(?<!\bca.)(?<!\b[Nn]o.)(?=\s|$)\s*|\n+")
_REASON = re.compile(
    r"[,;(]?\s*\b(?:because|since|given that|due to)\b"
    r"|[,;(]\s*(?:as|for(?! a total)|which means|so that|where|when|if|with)\b"
    r"|(?<![-+×x*/÷^=<>(])\s\(",
    re.IGNORECASE,
)
_RESULT = re.compile(r"[=≈≅]|\b(?:equals|(?:is )?equal to|which is|makes|gives|yields|comes to)\b", re.IGNORECASE)
_SO = re.compile(
    r"\b(?:so|therefore|thus|hence|that is|that's|"
    r"(?<!after )(?<!before )(?<!by )(?<!of )(?<!for )(?<!without )(?:giving|leaving))\b|[⇒→]",
    re.IGNORECASE,
)
_IS = re.compile(
    r"\b(?:is|are|was|were|be|has|have|costs?|leaves?|needs?|requires?|left with|remain|"
    r"takes?(?: him| her| them| us| you| me)?)\s*:?\s+"
    r"(?:in |about |only |exactly |approximately |roughly |now |still |a total of |the number |then )*\Z",
    re.IGNORECASE,
)
_IS_THE = re.compile(r"\s+(?:is|was|are|were)\s+the\b", re.IGNORECASE)
_GOES_ON = re.compile(
    r"\s*(?:[-+×x*/÷^=<>(]|(?:\S+\s+)?(?:times|plus|minus|of|more|less|fewer|divided|multiplied|by|added|over|squared|"
    r"cubed|than|groups?|older|younger|and|or|to(?=\s+\S?\d))\b)",
    re.IGNORECASE,
)
_LISTS = re.compile(r"[,;]|\band\b")
_NOT = re.compile(r"\b(?:not|instead of|rather than|never)\s+(?:an? |the )?\S?\Z", re.IGNORECASE)
_THAN = re.compile(r"\b(?:than|out of)\s+(?:an? |the |a total of )?\S?\Z", re.IGNORECASE)
_OR = re.compile(
    r"(?:\s*[^\s.;=]{1,12})?\s*,?\s*\b(?:or|oder)\s+(?:maybe |perhaps |even |possibly )?(?:[a-z]\s*=\s*)?",
    re.IGNORECASE,
)
_ROUNDED = re.compile(
    r"\W*(?:(?:or|is|which is)\s+)?(?:≈|\b(?:approximately|about|roughly|around)\b)\W{0,3}", re.IGNORECASE
)
_TO = re.compile(r"\s*[%°]?\s*(?:-|to|through)\s*")
_AND = re.compile(r"\s*\S{0,8}\s*\band\s+\S{0,3}")
_BETWEEN = re.compile(r"\bbetween\s+\S{0,3}\Z", re.IGNORECASE)
_TURNED_INTO = re.compile(r"\b(?:from|round\w*)\s+\S{0,3}\Z", re.IGNORECASE)
_WHAT_FOR = re.compile(r"[a-z]\s+(?:in|for|per|from|among|within|out of|every)\s+(?:the |these |those |all )?\Z")
_ONE_WORD_LEFT = re.compile(r"[\s-]+[^\W\d_]+[\s.!*_$]*")
_GOES_BACK = 40
_SHORT = 160


class Final(NamedTuple):
    """The final number, or what stands in its place.

    Attributes:
        value: None where there is none, or more than one.
        percent: Written in percent, so that a hundredth of it is meant too.
        also: The same, said otherwise beside it: what was rounded to it ("1/6 ≈ 0.167"), or another unit ("1.5 hours").
        instead: Why there is none, for the grade's reason.
    """

    value: float | None
    percent: bool = False
    instead: str = "states no number"
    also: tuple[float, ...] = ()


def first_number(answer: str) -> Final:
    """The first number of an answer."""
    found = numerals(plain(answer[:MAX_CHARACTERS]))
    return Final(found[0].value, found[0].percent) if found else Final(None)


def final_number(answer: str, *, dates: bool = False) -> Final:
    r"""The number in the last `\boxed{}`; else after the last "the answer is"; else the last one that states a result.

    Of an equation the result counts, after a correction what it says, and nothing that comes after the answer: reasons,
    references, dates. Two numbers joined by "or", and ranges, are none.

    Args:
        dates: Whether the years and days of dates count as numbers; they do where a year is asked for.
    """
    text = answer[-MAX_CHARACTERS:]
    if (box := boxed(text)) is not None and (found := _of_part(box)):
        return found
    prepared = plain(text)
    if len(prepared) <= _SHORT and (found := _of_short(prepared)):
        return found
    return _stated(prepared, dates) or _last(prepared, dates) or Final(None)


def _of_part(text: str) -> Final | None:
    """Of a short text that holds the answer alone."""
    prepared = plain(text)
    if is_mathematics(prepared) and (value := worked_out(prepared)) is not None:
        return Final(value, prepared.rstrip().endswith("%"))
    return _of_sentence(prepared, first=False)


def _of_short(text: str) -> Final | None:
    """Where no rule is needed: of a text with one number, or none, or one that ends on "= 42"."""
    found = numerals(text)
    if not found:
        return None if is_mathematics(text) else Final(None)
    if len(found) == 1 and "\\" not in text:
        return _single(text, found[0])
    if without_afterthoughts(text):
        return None
    return Final(found[-1].value, found[-1].percent) if _ends_an_equation(text, found[-1]) else None


def _single(text: str, number: Numeral) -> Final:
    if _NOT.search(text[max(0, number.start - _GOES_BACK) : number.start]):
        return Final(None, instead="says only what it is not")
    return Final(number.value, number.percent)


def _ends_an_equation(text: str, last: Numeral) -> bool:
    """Whether the text ends on "= 42": then every rule reads that."""
    before = text[: last.start].rstrip(" $")
    return before.endswith("=") and not text[last.end :].strip(" .!$\n") and " or " not in text


def _stated(text: str, dates: bool) -> Final | None:
    parts = stated(text)
    if parts is None:
        return None
    before, after = parts
    for part in corrections(after):
        if found := _last(part, dates):
            return found
    sentence = next((each for each in _SENTENCE_END.split(after) if each.strip(" *_")), "")
    works = _RESULT.search(sentence) and not before.strip(" \n*_#")  # "Answer:" as the heading of a calculation
    return (None if works else _of_sentence(sentence, first=True)) or _last(after, dates)


def _last(text: str, dates: bool) -> Final | None:
    """The number that a text ends on, without what is beside it or comes after."""
    steps: list[Callable[[str], list[str]]] = [corrections, without_afterthoughts, _without_beside]
    for step in [*steps, *([] if dates else [_without_dates])]:
        text = next((each for each in step(text) if _MAY_HAVE_NUMBER.search(each)), text)
    if "\n" in text and (found := _of_first_line(text)):
        return found
    digits = _DIGITS.search(text) is not None
    for sentence in reversed(_SENTENCE_END.split(text)):
        if found := _of_sentence(sentence, first=False, digits=digits):
            return found
    return None


def _without_beside(text: str) -> list[str]:
    return [_BESIDE.sub(" ", text)] if _MAY_BE_BESIDE.search(text) else []


def _without_dates(text: str) -> list[str]:
    return [_DATE.sub(" ", text)] if _YEAR.search(text) else []


def _of_first_line(text: str) -> Final | None:
    """Of a first line with a number alone, where the rest tells about it and comes to no other result."""
    line, _, rest = text.strip().partition("\n")
    if not rest.strip() or len(line) > _GOES_BACK or _HAS_RESULT.search(rest) or _CONCLUDES.search(rest):
        return None
    if len(numerals(line)) != 1 or re.search(r"[:=]|\w+\s+\w+\s+\w+\s+\w+", line):
        return None
    next_line = next(each for each in rest.splitlines() if each.strip())
    return _of_sentence(line, first=True) if re.search(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}", next_line) else None


_HAS_RESULT = re.compile(r"[=≈]\s*[-$]?\d")
_CONCLUDES = re.compile(r"\b(?:so|therefore|thus|hence|total|result|final|answer|altogether|left)\b", re.IGNORECASE)


def _of_sentence(sentence: str, *, first: bool, digits: bool = False) -> Final | None:
    """Of one sentence: its result, else what something "is", else its first or last number; None if it has none.

    Args:
        digits: There are numbers in digits beside it, so that small number words are taken for pronouns.
    """
    if "\\" in sentence and is_mathematics(sentence) and (value := worked_out(sentence)) is not None:
        return Final(value)
    whole = sentence
    if (every := numerals(sentence)) and _ends_an_equation(sentence, every[-1]):
        return Final(every[-1].value, every[-1].percent)
    sentence = next((part for part in _reasons_cut(sentence) if _MAY_HAVE_NUMBER.search(part)), sentence)
    if not first and (clauses := _SO.split(sentence))[1:]:
        sentence = next((clause for clause in reversed(clauses) if numerals(clause)), sentence)
    every = numerals(sentence)
    if not every:
        return None
    digits = digits or any(not each.spelled for each in every)
    every = [each for each in every if not digits or not is_small_word(each) or _is_told(sentence, each)]
    found = [each for each in every if _counts(sentence, each, every)]
    if not found:
        return Final(None, instead="says only what it is not") if every else None
    at = _chosen(sentence, found, first)
    others = [found[beside] for beside in (at - 1, at + 1) if 0 <= beside < len(found)]
    if any(_is_hedged(sentence, *sorted((found[at], other), key=lambda each: each.start)) for other in others):
        return Final(None, instead="states more than one number")
    exact = _exact(sentence, found[at - 1], found[at]) if at else []
    place = whole.find(sentence)  # a part of it, by now
    given = found[at]._replace(start=found[at].start + place, end=found[at].end + place)
    return Final(given.value, given.percent, also=(*exact, *restated(whole, given)))


def _exact(sentence: str, before: Numeral, rounded: Numeral) -> list[float]:
    if not _ROUNDED.fullmatch(sentence[before.end : rounded.start]):
        return []
    decimals = len(sentence[rounded.start : rounded.end].partition(".")[2].rstrip(" %"))
    return [before.value] if abs(before.value - rounded.value) <= 0.51 * 10.0**-decimals else []


def _reasons_cut(sentence: str) -> list[str]:
    return [sentence[: mark.start()] for mark in _REASON.finditer(sentence) if mark.start()]


def _counts(sentence: str, number: Numeral, every: list[Numeral]) -> bool:
    before = sentence[max(0, number.start - _GOES_BACK) : number.start]
    return not (_NOT.search(before) or (len(every) > 1 and _THAN.search(before)))


def _chosen(sentence: str, found: list[Numeral], first: bool) -> int:
    """Index of the number that is meant."""
    for mark in reversed(list(_RESULT.finditer(sentence))):
        after = next((at for at, each in enumerate(found) if each.start >= mark.end()), None)
        if after is not None and not _GOES_ON.match(sentence, found[after].end):
            return after
        if after and not sentence[found[after - 1].end : mark.start()].strip():  # "42 = 6 × 7"
            return after - 1
    if _IS_THE.match(sentence, found[0].end) and not sentence[: found[0].start].strip():  # "4 is the sum of 2 and 2"
        return 0
    told = [at for at, each in enumerate(found) if _is_told(sentence, each)]
    if not told and len(found) == 2 and _is_what_for(sentence, found[1]):
        return 0
    if first:
        return told[0] if told else 0
    if (whole := next((at for at in told if _is_whole(*found[at:])), None)) is not None:
        return whole
    ends_so = told and not _LISTS.search(sentence, found[told[-1]].end, found[-1].start)
    return told[-1] if ends_so else len(found) - 1


def _is_whole(number: Numeral, *parts: Numeral) -> bool:
    """Whether what follows a number are its parts: "5 pets: 2 cats and 3 dogs"."""
    return len(parts) > 1 and number.value == sum(each.value for each in parts)


def _is_what_for(sentence: str, last: Numeral) -> bool:
    """Whether a last number only says for how many, or in how long: "42 eggs for 7 cakes", "168 hours in 7 days"."""
    return bool(_WHAT_FOR.search(sentence[: last.start]) and _ONE_WORD_LEFT.fullmatch(sentence, last.end))


def _is_told(sentence: str, number: Numeral) -> bool:
    """Whether something "is" the number, and not a sum that begins with it."""
    told = _IS.search(sentence, max(0, number.start - _GOES_BACK), number.start)
    return told is not None and not _GOES_ON.match(sentence, number.end)


def _is_hedged(sentence: str, one: Numeral, other: Numeral) -> bool:
    between = sentence[one.end : other.start]
    if one.value == other.value or len(between) > _GOES_BACK or is_same(sentence, one, other):
        return False
    if _OR.fullmatch(between):
        return True
    if _AND.fullmatch(between) and _BETWEEN.search(sentence[: one.start]):
        return True
    is_range = _TO.fullmatch(between) is not None and one.value < other.value
    return is_range and not _TURNED_INTO.search(sentence[: one.start])
