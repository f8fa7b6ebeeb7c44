"""Grader of a choice among a few options, such as yes and no, or A to D."""

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

from benchmarks.graders.grade import Grade, GraderError, right, wrong
from benchmarks.graders.statement import boxed, corrections, stated, unwrapped
from benchmarks.graders.words import body, normalised

_MAX_CHARACTERS = 8_000
_LONGEST_LINE = 200
_EMPHASIS = re.compile(r"\*+|__|`")
_SENTENCE_END = re.compile(r"(?<=[.!?。])\s+|\n+")
_REFUSED_BEFORE = re.compile(
    r"\b(?:not|never|\w+n't|cannot|neither|nor|rul(?:e|es|ed|ing) out|eliminat\w+|exclud\w+|reject\w+|discard\w*|"
    r"instead of|rather than|unlike|at first|i (?:first|initially) thought)\b"
    r"(?![^.;:,\n]*\b(?:but|so|leaving|leaves|therefore|thus|hence)\b)[^.;:!?\n]*\Z"
    r"|\b(?:no|nothing) \Z|(?:不是|不选|排除|而非)[^.;:!?。\n]*\Z",
    re.IGNORECASE,
)
_CLAUSE_ENDS = re.compile(r",\s*(?!(?:and|or|nor|[A-Za-z])\b\W*\Z)[^,]*\Z")
_REFUSED_AFTER = re.compile(
    r"\W{0,3}(?:\s*(?:and|or|nor|,)\s*\(?[A-Za-z]\)?)*\s*(?:(?:is|are|was|were|seems?|looks?)\s+"
    r"(?:clearly |also |both |obviously |definitely )?"
    r"(?:wrong|incorrect|false|not|out|impossible|eliminated|ruled out|excluded|too \w+)"
    r"|(?:is|are|does|do|did|can|could)n't|(?:does|do|did|can|could) ?not|fails?)\b"
    r"|\W{0,3}(?:也|都|均|是)*(?:不|错)",
    re.IGNORECASE,
)
_AFFIRMED_AFTER = re.compile(
    r"\W{0,3}\s*(?:is|must be|would be)\s+(?:clearly |also |therefore |thus )?(?:the )?"
    r"(?:correct|right|true|best|answer|one|only)\b"
    r"|\W{0,3}(?:是|才是|为)?(?:正确|对的)",
    re.IGNORECASE,
)
_FITS_AFTER = re.compile(
    r"\W{0,3}\s*(?:(?:is|seems|looks) (?:the )?(?:much )?(?:better|more \w+)|fits|matches|satisfies)\b", re.IGNORECASE
)
"""Less than "is correct": read where that is said of none."""

_TICK = re.compile("[✅✓✔☑]")
_CONCLUDES = re.compile(
    r"\b(?:so|therefore|thus|hence|leaving|leaves|which leaves|must be|i (?:choose|pick|select|would say)|conclu\w+|"
    r"overall)\b|所以|因此|因而|故",
    re.IGNORECASE,
)
_AFTER_LETTER_WORD = (
    r"(?:is|are|was|and|or|nor|because|since|as|has|says|would|looks|seems|can|could|does|doesn't|isn't|means|fits|"
    r"matches|with|for|but|only|from|by)\b"
)
_ALONE = (
    r"\W*(?:(?:the )?(?:final |correct |best )?(?:answer|option|choice|letter)\W*(?:is|:)?\s*)*"
    r"(?:(?:label|category|class|classification|sentiment|verdict|conclusion|result|output)\s*:)?"
    r"\W*{option}(?:{marks}.*)?\W*"
)


def choice(answer: str, *, options: Sequence[str], answer_is: str) -> Grade:
    r"""One of a few options, such as yes and no, or A to D.

    Read as the answer, in this order: what `\boxed{}` holds; what follows "the answer is"; an option alone on a line;
    one that opens the answer; the only one named and not refused ("not B", "C is wrong"), or the only one affirmed or
    in the conclusion. An answer that names several, or none, is wrong: naming all buys nothing.
    """
    if answer_is not in options:
        raise GraderError(f"answer_is {answer_is!r} is not among the options {', '.join(options)}")
    if len({option.casefold() for option in options}) < max(2, len(options)):
        raise GraderError("options needs at least two different texts")
    text = _EMPHASIS.sub("", body(_shortened(answer)))
    chosen = next((found for found in _readings(text, tuple(options)) if found), None)
    if chosen is None:
        return wrong(_why_none(text, tuple(options)))
    return (right if chosen == answer_is else wrong)(f"chose {chosen!r}")


def _shortened(answer: str) -> str:
    text = answer if len(answer) <= 2 * _MAX_CHARACTERS else f"{answer[:_MAX_CHARACTERS]}\n{answer[-_MAX_CHARACTERS:]}"
    return text if text.isascii() else unicodedata.normalize("NFKC", text).replace("’", "'")


def _readings(text: str, options: tuple[str, ...]) -> Iterator[str | None]:
    if (box := boxed(text)) is not None:
        yield _alone(unwrapped(box), options) or _only(unwrapped(box), options)
    no_is_said = "no" not in map(str.casefold, options)
    if (parts := stated(text)) is not None:
        for after in (*corrections(parts[1], no=no_is_said), parts[1]):
            yield _stated_in(after, options)
    for after in corrections(text, no=no_is_said):
        yield _alone(after, options) or _only(after, options)
    lines = [line for line in text.splitlines() if line.strip()]
    if _TICK.search(text):
        ticked = {option for line in lines if _TICK.search(line) for option in options if _is_list_item(line, option)}
        yield ticked.pop() if len(ticked) == 1 else None
    lines = _without_list(lines, options)
    alone = {found for line in lines if (found := _alone(line, options))}
    yield alone.pop() if len(alone) == 1 else None
    yield _opening("\n".join(lines), options)
    yield _only("\n".join(lines), options)


def _stated_in(after: str, options: tuple[str, ...]) -> str | None:
    sentence = next((each for each in _SENTENCE_END.split(after.strip()) if re.search(r"\w", each)), "")
    return _opening(sentence, options, stated=True) or _only(sentence, options, stated=True)


def _without_list(lines: list[str], options: tuple[str, ...]) -> list[str]:
    """The lines but for a repeated list of all options, each with its mark; for the list alone, none."""
    marked = [next((option for option in options if _is_list_item(line, option)), None) for line in lines]
    if set(marked) - {None} != {*options} or len(options) < 2:
        return lines
    return [line for line, option in zip(lines, marked) if option is None]


def _is_list_item(line: str, option: str) -> bool:
    return re.match(rf"\W*{re.escape(option)}[).:]\s*\S", line, re.IGNORECASE) is not None


def _alone(line: str, options: tuple[str, ...]) -> str | None:
    """The option that a line consists of, with its mark and what it stands for ("B) Tokyo"), or without."""
    if len(line) > _LONGEST_LINE:
        return None
    for option in sorted(options, key=len, reverse=True):
        written = re.escape(option)
        if re.fullmatch(_ALONE.format(option=written, marks=r"[).:]" if len(option) == 1 else r"\Z"), line, re.I):
            return option
    return None


def _opening(text: str, options: tuple[str, ...], *, stated: bool = False) -> str | None:
    """The option that a text begins with, alone in its first clause."""
    text = text[:_LONGEST_LINE]
    opened = [option for option in options if _opens(text, option, stated)]
    first_clause = re.split(r"[.,;:\n]|\bbecause\b|\bsince\b", text, maxsplit=1)[0]
    if not opened or len({*_named(first_clause, options)}) > 1:
        return None
    return max(opened, key=len)


def _opens(text: str, option: str, stated: bool) -> bool:
    """As "(B)", "B)" or "option B". After a lone "A" comes a mark, not a word."""
    lead = r"\W*(?:(?:option|choice|letter|answer)\s+)?\(?"
    if len(option) > 1:
        return re.match(rf"{lead}{re.escape(option)}(?=[\s.,:;)!]|$)", text, re.IGNORECASE) is not None
    follows = (
        rf"(?=[.,:;)!\]}}]|[ \t]*(?:\n|\Z)|\s*[-–—]\s|\s+\(|\s+{_AFTER_LETTER_WORD})"
        if stated
        else r"(?=[.,:;)!\]}]|[ \t]*(?:\n|\Z)|\s*[-–—]\s)"
    )
    return re.match(rf"{lead}{re.escape(option)}{follows}", text, re.IGNORECASE) is not None


def _only(text: str, options: tuple[str, ...], *, stated: bool = False) -> str | None:
    """The one option that is named and not refused; of several, the one in the conclusion."""
    named = {*_named(text, options, stated=stated)}
    if len(named) == 1:
        return named.pop()
    for said in (_AFFIRMED_AFTER, _FITS_AFTER) if len(named) > 1 else ():
        if len(affirmed := {*_named(text, options, affirmed=said)}) == 1:
            return affirmed.pop()
    if len(named) > 1 and (marks := list(_CONCLUDES.finditer(text))):
        concluded = {*_named(text[marks[-1].end() :], options, stated=True)}
        return concluded.pop() if len(concluded) == 1 else None
    return None


def _named(
    text: str, options: tuple[str, ...], *, stated: bool = False, affirmed: re.Pattern[str] | None = None
) -> Iterator[str]:
    """Options where they are named and not refused, in order; with `affirmed`, where that stands after them."""
    for match in _pattern(options).finditer(text):
        option = next(each for each in options if each.casefold() == match["option"].casefold())
        if (len(option) == 1 and not _is_letter(match, text, stated)) or _is_article(match, text):
            continue
        if affirmed and not affirmed.match(text, match.end()):
            continue
        if not _is_refused(text, match):
            yield option


def _is_article(match: re.Match[str], text: str) -> bool:
    """Whether a "no" is that of "no doubt"."""
    return match["option"].casefold() == "no" and re.match(r"\s+[a-z]", text[match.end() :]) is not None


def _is_refused(text: str, match: re.Match[str]) -> bool:
    before = text[max(0, match.start() - 120) : match.start()]
    refused = _REFUSED_BEFORE.search(before)
    if refused and not _CLAUSE_ENDS.search(before[refused.start() :]):
        return True
    return _REFUSED_AFTER.match(text, match.end()) is not None


@functools.lru_cache(maxsize=256)
def _pattern(options: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = "|".join(re.escape(option) for option in sorted(options, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9_'])(?P<option>{longest_first})(?![A-Za-z0-9_]|'[a-z])", re.IGNORECASE)


def _is_letter(match: re.Match[str], text: str, stated: bool) -> bool:
    """Whether a letter names an option: "a" is also an article, "I" a pronoun, and a small letter a variable."""
    letter, after = match["option"], text[match.end() :]
    before = text[max(0, match.start() - 12) : match.start()].casefold()
    if before.endswith(("option ", "choice ", "letter ", "option (", "answer ")) or after.startswith(")"):
        return True
    if not letter.isupper() and letter.lower() != letter.upper():
        return False
    if letter not in "AI":
        return True
    return (
        re.match(rf"[.,;:!?]|\s*$|\s+{_AFTER_LETTER_WORD}", after) is not None if letter == "A" else not after.strip()
    )


def _why_none(text: str, options: tuple[str, ...]) -> str:
    written = [*dict.fromkeys(match["option"].casefold() for match in _pattern(options).finditer(text))]
    named = [option for option in options if option in {*_named(text, options)}]
    if not named and len(written) == 1 and len(written[0]) > 1:
        return f"names {normalised(written[0])!r} after a 'not'"
    return f"names {' and '.join(named) if named else 'none'} of the options"
