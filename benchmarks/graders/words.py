"""Graders that look for words: exact, keywords, order, denial."""

import functools
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong
from benchmarks.graders.statement import boxed, unwrapped

_LEAD_IN = re.compile(r"\A[^\n]{0,200}:[*_ ]*\n+(?=\s*\S)")
_FENCE = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_`](?=\S)|(?<=\S)[*_`](?!\w)")
_QUOTES = ("''", '""', "“”", "‘’", "«»")
_STATED = re.compile(r"\banswer\b(?:\s+is|\s*[:=])+\s*|答案(?:是|为|為|[:：])\s*", re.IGNORECASE)
_PLAIN_MARKS = str.maketrans("’‘“”−–‐‑。！？，：．", "''\"\"----.!?,:.")
_MARKS_WITHIN = str.maketrans("’−–‐‑", "'----")
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}ー\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
"""Scripts without spaces between words, and Hangul, whose words take particles."""


def body(answer: str) -> str:
    """The answer without a first line that only announces it ("Here is the sentence:"), fences and outer quotes."""
    text = _LEAD_IN.sub("", answer.strip()).strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def normalised(text: str, *, case: bool = False) -> str:
    """Text for comparing: NFC, one space between words, plain marks, no markdown emphasis, no closing full stop."""
    plain = text if text.isascii() else unicodedata.normalize("NFC", text).translate(_PLAIN_MARKS)
    plain = _EMPHASIS.sub("", plain)
    plain = " ".join(plain.split()).strip(" \"'").rstrip(".!").strip(" \"'")
    return plain if case else plain.casefold()


def exact(answer: str, *, answers: Sequence[str], case: bool = False, where: str = "whole") -> Grade:
    """The answer is one of `answers`, apart from spacing, quotes, emphasis and a closing full stop.

    A line that only announces the answer is left out, as is "The answer is".

    Args:
        answers: Accepted texts.
        case: Upper and lower case differ.
        where: "whole" compares the whole answer; "last line" its last line, for answers with reasoning before it.
    """
    if not answers:
        raise GraderError("answers is empty; give at least one accepted text")
    if where not in ("whole", "last line"):
        raise GraderError(f"where is {where!r}; known: whole, last line")
    text = body(answer)
    if where == "last line":
        text = text.splitlines()[-1] if text else ""
    box = boxed(answer)
    candidates = [text, _STATED.split(text)[-1], answer, *([unwrapped(box)] if box is not None else [])]
    found = {normalised(candidate, case=case) for candidate in candidates}
    if found & {normalised(accepted, case=case) for accepted in answers}:
        return right(f"says {shown(text)}")
    return wrong(f"says {shown(text)}, not {shown(answers[0])}")


def mentions(text: str, word: str) -> int:
    """How often a word or phrase occurs, whole words only, whatever the case and spacing.

    Where a script puts no spaces between words, a word ends where its script does, and any of its characters may begin
    or end one: "Paris" and "法国" are in "法国的首都是Paris。". Korean words may have a particle after them.
    """
    text = _EMPHASIS.sub("", text)
    text = text if text.isascii() else text.translate(_MARKS_WITHIN)
    return sum(1 for _ in _word_pattern(word, text.isascii()).finditer(text))


@functools.lru_cache(maxsize=4096)
def _word_pattern(word: str, ascii_text: bool) -> Any:
    parts = normalised(word).split()
    if ascii_text:
        phrase = r"\s+".join(map(re.escape, parts))
        return re.compile(rf"(?<!\w){phrase}(?!\w)", re.IGNORECASE)
    import regex  # knows scripts, which re does not; slower, so only where there are any

    phrase = r"\s+".join(map(regex.escape, parts))
    before, after = _boundary(word[:1]), _boundary(word[-1:], after=True)
    return regex.compile(rf"{before}{phrase}{after}", regex.IGNORECASE | regex.V1)


def _boundary(edge: str, *, after: bool = False) -> str:
    """What must not stand beside a word's first or last character."""
    import regex

    look = "!" if after else "<!"
    if regex.match(r"[\p{Katakana}ー]", edge):
        return rf"(?{look}[\p{{Katakana}}ー])"
    if regex.match(r"\p{Hangul}", edge):
        return "" if after else r"(?<!\p{Hangul})"
    if regex.match(rf"[{_UNSPACED}]", edge):
        return ""
    return rf"(?{look}[\w--[{_UNSPACED}]])"


def keywords(
    answer: str,
    *,
    all_of: Sequence[str | Sequence[str]] = (),
    any_of: Sequence[str] = (),
    none_of: Sequence[str] = (),
) -> Grade:
    """Whole words or phrases that the answer must or must not contain, whatever the case.

    Where an answer could be bought by naming every candidate, list the others in `none_of`.

    Args:
        all_of: Each of these; an inner list holds alternatives, of which one is enough.
        any_of: At least one of these.
        none_of: None of these.
    """
    if not (all_of or any_of or none_of):
        raise GraderError("give at least one of all_of, any_of, none_of")
    groups = [[group] if isinstance(group, str) else list(group) for group in all_of]
    groups += [list(any_of)] if any_of else []
    if any(not word.strip() for word in [*none_of, *(word for group in groups for word in group)]) or [] in groups:
        raise GraderError("an empty word or group; leave it out")
    if unwanted := [word for word in none_of if mentions(answer, word)]:
        return wrong(f"contains {shown(unwanted[0])}")
    for group in groups:
        if not any(mentions(answer, word) for word in group):
            return wrong(f"does not contain {' or '.join(map(repr, group))}")
    if not answer.strip():
        return wrong("is empty")
    return right("contains what it must, and nothing that it must not")


def order(answer: str, *, items: Sequence[str]) -> Grade:
    """The items, each once, in this order, as whole words.

    A chatty model may repeat the question's list before its own, or an item or two after it; longer repetition fails.
    """
    if len(items) < 2:
        raise GraderError(f"items has {len(items)}; an order needs at least 2")
    wanted = [normalised(item) for item in items]
    found = _items_pattern(tuple(wanted)).findall(normalised(body(answer)))
    after_repetition = len(found) <= 2 * len(wanted) and found[-len(wanted) :] == wanted
    before_comments = len(found) < 2 * len(wanted) and found[: len(wanted)] == wanted
    if after_repetition or before_comments:
        return right("lists the items in order")
    return wrong(f"lists {shown(', '.join(found[-len(wanted) :]))}, not {shown(', '.join(items))}")


@functools.lru_cache(maxsize=256)
def _items_pattern(items: tuple[str, ...]) -> Any:
    longest_first = sorted(items, key=len, reverse=True)
    if all(map(str.isascii, items)):
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")
    import regex

    bounded = [_boundary(item[:1]) + regex.escape(item) + _boundary(item[-1:], after=True) for item in longest_first]
    return regex.compile("|".join(bounded), regex.V1)


_OPENING_SENTENCES = 3
_OPENING_CHARACTERS = 2_000
_SENTENCE_END = re.compile(r"(?<=[.!?])[\s\"”]+|\n+")
_MARKDOWN = re.compile(r"[*`]")
_THING = (
    r"(?:[\w.()-]+ ){0,2}(?:book|novel|play|poem|film|movie|song|album|symphony|opera|painting|person|author|scientist|"
    r"king|queen|president|city|town|village|country|nation|river|lake|mountain|island|sea|planet|moon|star|element|"
    r"animal|bird|plant|war|battle|treaty|event|law|theorem|award|prize|language|company|function|method|module|class|"
    r"attribute|argument|parameter|keyword|constant|command|option|flag|library|package|thing|record|work)s?\b"
)
_KNOWN = (
    r"(?:real|actual|existing|valid|widely known|known(?! for| as| to have| by| exactly)|recorded|documented|"
    r"recogni[sz]ed|such|any|built-in|standard|official|part of|in the|among|something (?:that )?i)\b"
)
_FACT = r"(?:records?|evidence|information|knowledge|mention|trace|results?|data|details|indication)\b"
_DENIALS = re.compile(
    "|".join(
        (
            r"(?:\bnot|n't|\bnever) (?:\w+ ){0,3}exist|\bnon-?existent\b|\bno such\b|\bno longer exists\b",
            rf"\bno (?:\w+ ){{0,2}}{_FACT}",
            r"\bno (?!doubt|question|other|more|less|fewer|later|earlier)[\w' -]{0,40}\b(?:called|(?:en)?titled|named|"
            r"known as|(?:with|by|of|under) (?:that|this|the) (?:\w+ )?(?:name|title))\b",
            rf"\bthere(?:'s| is| was| are| were| has been) (?:\w+ )?(?:no|not an?|never an?) {_THING}",
            rf"\bthere (?:isn't|wasn't) an? {_THING}|\bthere has never been\b",
            rf"\b(?:is|was|are|were)(?:n't| not) (?:\w+ly )?(?:an? |the |any |one )?(?:\w+ly )?{_KNOWN}",
            rf"\b(?:is|was)(?:n't| not) an? {_THING}(?![^.]*\bbut\b)",
            r"\b(?:fictitious|imaginary|made[- ]up|hoax|fabricated)\b",
            r"\bfictional\b(?! (?:\w+ )?(?:novel|book|story|work|film|movie|tale|account|series|character))",
            r"\bi(?:'m| am)(?: \w+)? (?:not (?:\w+ )?(?:aware|familiar|sure|certain)|unaware|unfamiliar|unsure)\b",
            r"\b(?:do|does|did|could|can|have)(?:n't| not|not) (?:\w+ )?(?:know|recogni[sz]e|recall|find|locate|verify|"
            r"confirm|identify|trace)\b",
            rf"\b(?:do|does)(?:n't| not) (?:\w+ )?have (?:any |enough |specific |reliable |access to )*{_FACT}",
            r"\b(?:unable|not able|failed) to (?:find|locate|verify|confirm|identify|trace|recogni[sz]e)\b",
            r"\b(?:never|not) heard of\b|\bunknown to me\b",
            rf"\b(?:do|does|did)(?:n't| not) (?:\w+ )?(?:have|include|contain|provide|offer|define) "
            rf"(?:any|such|an? {_THING})",
            r"\bha(?:s|ve) no (?:function|method|attribute|argument|parameter|module|class|command|option|such)\b",
            r"\bnever (?:\w+ )?(?:happened|occurred|took place|was|were|wrote|published|composed|painted|directed|won|"
            r"held|made|discovered|existed|released|signed|fought|been)\b",
            r"\bdid(?:n't| not) (?:\w+ )?(?:happen|occur|take place|write|publish|compose|paint|direct|win|release|"
            r"sign|discover|invent|fight)\b",
            r"\byou (?:may |might |probably |perhaps )*(?:mean|meant|be (?:referring|thinking))\b",
            r"\b(?:false premise|misunderstanding|mix-?up|(?:attribute|name|import|modulenotfound)error)\b",
            r"\b(?:seems|appears|may|might|could|must)(?: to)? be (?:an? |some |any )?(?:\w+ )?(?:mistaken?|error|"
            r"confusion|confused|confusing|typo|incorrect|invented)\b",
        )
    ),
    re.IGNORECASE,
)


def denial(answer: str) -> Grade:
    """The answer says, in its first three sentences, that what was asked about does not exist or is not known to it.

    An answer that doubts after it has invented is wrong, as is a refusal without a word about the thing: "I can't help
    with that". So is "its author is unknown", which takes the thing for real. What follows a denial is not read. Ask
    about real things in the same form beside it, or a model that always doubts scores full marks.
    """
    text = _MARKDOWN.sub("", answer.strip()[:_OPENING_CHARACTERS].replace("’", "'"))
    opening = [part for part in _SENTENCE_END.split(text) if part.strip()][:_OPENING_SENTENCES]
    if found := next((match for part in opening if (match := _DENIALS.search(part))), None):
        return right(f"doubts it: {shown(found[0])}")
    return wrong("takes it for real" if opening else "is empty")
