"""Graders that look for words: exact, keywords, choice, order."""

import re
from collections.abc import Sequence

from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong

_LEAD_IN = re.compile(r"\A[^\n]{0,200}:[*_ ]*\n+(?=\s*\S)")
_FENCE = re.compile(r"\A```\w*\n(.*?)\n?```\Z", re.DOTALL)
_EMPHASIS = re.compile(r"\*\*|__|(?<!\w)[*_`](?=\S)|(?<=\S)[*_`](?!\w)")
_QUOTES = ("''", '""', "“”", "‘’", "«»")
_STATED = re.compile(r"\banswer\b(?:\s+is|\s*[:=])+\s*", re.IGNORECASE)


def body(answer: str) -> str:
    """The answer without a first line that only announces it ("Here is the sentence:"), fences and outer quotes."""
    text = _LEAD_IN.sub("", answer.strip()).strip()
    if fenced := _FENCE.match(text):
        text = fenced[1].strip()
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def normalised(text: str, *, case: bool = False) -> str:
    """Text for comparing: one space between words, plain quotes, no markdown emphasis, no closing full stop."""
    plain = _EMPHASIS.sub("", text).translate(str.maketrans("’‘“”−–", "''\"\"--"))
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
    found = {normalised(candidate, case=case) for candidate in (text, _STATED.split(text)[-1], answer)}
    if found & {normalised(accepted, case=case) for accepted in answers}:
        return right(f"says {shown(text)}")
    return wrong(f"says {shown(text)}, not {shown(answers[0])}")


def mentions(text: str, word: str) -> int:
    """How often a word or phrase occurs, whole words only, whatever the case and spacing."""
    pattern = r"\s+".join(re.escape(part) for part in normalised(word).split())
    return len(re.findall(rf"(?<!\w){pattern}(?!\w)", _EMPHASIS.sub("", text).replace("’", "'"), re.IGNORECASE))


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


def choice(answer: str, *, options: Sequence[str], answer_is: str) -> Grade:
    """One of a few options, such as yes and no, or A to D.

    Read as the answer, in this order: what follows "the answer is"; an option that opens the answer; the only option
    named anywhere, unless after a "not". An answer that names several, or none, is wrong: naming all buys nothing.
    """
    if answer_is not in options:
        raise GraderError(f"answer_is {answer_is!r} is not among the options {', '.join(options)}")
    if len({option.casefold() for option in options}) < max(2, len(options)):
        raise GraderError("options needs at least two different texts")
    text = normalised(body(answer))
    stated = _STATED.split(text)[-1]
    first_clause = re.split(r"[.,;:\n]", stated, maxsplit=1)[0]
    hedged = sum(_names(first_clause, option) for option in options) > 1
    opening = [option for option in options if _opens(stated, option) and not hedged]
    named = [option for option in options if _names(text, option)]
    chosen = max(opening, key=len) if opening else named[0] if len(named) == 1 else None
    if (
        chosen
        and not opening
        and re.search(rf"\b(?:not|never|\w+n't)\b[^.!?]*\b{re.escape(normalised(chosen))}\b", text)
    ):
        return wrong(f"names {chosen!r} after a 'not'")
    if chosen is None:
        return wrong(f"names {' and '.join(named) if named else 'none'} of the options")
    return (right if chosen == answer_is else wrong)(f"chose {chosen!r}")


def _opens(text: str, option: str) -> bool:
    """Whether the text begins with the option, also as "(B)" or "B)". After a lone "A" comes a mark, not a word."""
    ending = r"(?=[\s.,:;)!]|$)" if len(option) > 1 else r"(?=[.,:;)!]|\s*$)"
    return re.match(rf"\W*{re.escape(normalised(option))}{ending}", text) is not None


def _names(text: str, option: str) -> bool:
    """Whether the option occurs; a letter only as "B)" or "option B", for "a" is also an article."""
    if len(option) > 1:
        return mentions(text, option) > 0
    letter = re.escape(option.casefold())
    return re.search(rf"(?<!\w)(?:(?:option|choice|letter) {letter}(?!\w)|{letter}\))", text) is not None


def order(answer: str, *, items: Sequence[str]) -> Grade:
    """The items, each once, in this order, as whole words.

    A chatty model may repeat the question's list before its own, or an item or two after it; longer repetition fails.
    """
    if len(items) < 2:
        raise GraderError(f"items has {len(items)}; an order needs at least 2")
    longest_first = sorted((re.escape(normalised(item)) for item in items), key=len, reverse=True)
    found = re.findall(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", normalised(body(answer)))
    wanted = [normalised(item) for item in items]
    after_repetition = len(found) <= 2 * len(wanted) and found[-len(wanted) :] == wanted
    before_comments = len(found) < 2 * len(wanted) and found[: len(wanted)] == wanted
    if after_repetition or before_comments:
        return right("lists the items in order")
    return wrong(f"lists {shown(', '.join(found[-len(wanted) :]))}, not {shown(', '.join(items))}")
