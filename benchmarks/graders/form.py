"""Grader of an answer's form: counts, beginnings and endings, letter case."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong
from benchmarks.graders.words import body, mentions

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
_BULLET = re.compile(r"^\s*(?:[-*•+]|\d{1,2}[.)])\s+\S", re.MULTILINE)
_LIST_MARK = re.compile(r"^\s*(?:\(?(?:\d{1,2}|[A-Za-z])[.)]|[-*•+])\s+", re.MULTILINE)
_UNIT_AT_END = re.compile(r"(\d\s?[a-zµ]{1,3})\.(?=\s+[A-Z])")
"""A full stop after "3.5 m", which the splitter takes for an abbreviation."""

Count = int | Sequence[int]


def word_count(text: str) -> int:
    """Runs of letters and digits; "it's" and "well-known" are one word each, and so is each character of a script that
    puts no spaces between words."""
    if text.isascii():
        return len(_WORD.findall(text))
    unspaced = _unspaced()
    return len(unspaced.findall(text)) + len(_WORD.findall(unspaced.sub(" ", text)))


@lru_cache(maxsize=1)
def _unspaced() -> Any:
    import regex

    return regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{M}]", flags=regex.V1)


def sentence_count(text: str) -> int:
    """Ends of sentences, plus an unfinished last one. A line that ends without a mark ends a sentence too.

    Marks of lists are none, abbreviations and initials neither: the splitter is sentencex's.
    """
    return sum(_sentences_in(line) for line in _LIST_MARK.sub("", text).splitlines() if word_count(line))


def _sentences_in(line: str) -> int:
    import sentencex

    ended = _UNIT_AT_END.sub(r"\1!", line.replace("**", ""))
    return max(1, sum(1 for sentence in sentencex.segment("en", ended) if word_count(sentence)))


def line_count(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip())


def paragraph_count(text: str) -> int:
    return sum(1 for part in re.split(r"\n\s*\n", text) if part.strip())


def bullet_count(text: str) -> int:
    return len(_BULLET.findall(text))


def comma_item_count(text: str) -> int:
    """Items of a list written on one line with commas."""
    return sum(1 for item in text.split(",") if word_count(item))


_COUNTS: dict[str, Callable[[str], int]] = {
    "words": word_count,
    "sentences": sentence_count,
    "lines": line_count,
    "paragraphs": paragraph_count,
    "bullets": bullet_count,
    "items": comma_item_count,
}


def form(
    answer: str,
    *,
    words: Count | None = None,
    sentences: Count | None = None,
    lines: Count | None = None,
    paragraphs: Count | None = None,
    bullets: Count | None = None,
    items: Count | None = None,
    starts_with: str | None = None,
    ends_with: str | None = None,
    every_line_starts_with: str | None = None,
    letters: str | None = None,
    without: Sequence[str] = (),
    times: Mapping[str, Count] | None = None,
    longest_word: int | None = None,
) -> Grade:
    """Checks that code can make, after IFEval (Zhou et al. 2023, arXiv:2311.07911).

    Loose as in its section 2.3: passes if the answer passes either as it stands or without a first line that only
    announces it, fences and outer quotes. An empty answer fails. Form alone can be met by nonsense: where the content
    matters, combine it with `keywords` by `all`.

    Args:
        words, sentences, lines, paragraphs, bullets, items: A number, or [least, most]. Items are separated by commas.
        starts_with, ends_with: Text, whatever the case; `ends_with` looks past a closing mark of the answer's.
        every_line_starts_with: Of the lines with text.
        letters: "upper" or "lower": all letters are in this case.
        without: Characters or texts that must not occur, whatever the case.
        times: Word or phrase to how often it occurs: a number or [least, most].
        longest_word: Most letters in a word.
    """
    counts = {
        "words": words,
        "sentences": sentences,
        "lines": lines,
        "paragraphs": paragraphs,
        "bullets": bullets,
        "items": items,
    }
    checks = [_count_check(name, _COUNTS[name], wanted) for name, wanted in counts.items() if wanted is not None]
    checks += [_times_check(word, wanted) for word, wanted in (times or {}).items()]
    checks += [_absence_check(text) for text in without]
    checks += _edge_checks(starts_with, ends_with, every_line_starts_with)
    if letters is not None:
        checks.append(_letters_check(letters))
    if longest_word is not None:
        checks.append(_longest_word_check(longest_word))
    if not checks:
        raise GraderError("no check given; for example words, sentences, starts_with")
    faults = [_first_fault(checks, text) for text in (answer.strip(), body(answer))]
    return right("has the form asked for") if None in faults else wrong(str(faults[-1]))


Check = Callable[[str], str | None]  # the fault in words, None where there is none


def _first_fault(checks: Sequence[Check], text: str) -> str | None:
    if not word_count(text):
        return "has no words"
    return next((fault for check in checks if (fault := check(text)) is not None), None)


def _bounds(name: str, wanted: Count) -> tuple[int, int]:
    least, most = (wanted, wanted) if isinstance(wanted, int) else tuple(wanted) if len(wanted) == 2 else (1, 0)
    if not 0 <= least <= most:
        raise GraderError(f"{name} is {wanted!r}; expected a number or [least, most]")
    return least, most


def _count_check(name: str, count: Callable[[str], int], wanted: Count) -> Check:
    least, most = _bounds(name, wanted)

    def check(text: str) -> str | None:
        found = count(text)
        return None if least <= found <= most else f"has {found} {name}, not {_range(least, most)}"

    return check


def _times_check(word: str, wanted: Count) -> Check:
    least, most = _bounds(f"times {word!r}", wanted)

    def check(text: str) -> str | None:
        found = mentions(text, word)
        return None if least <= found <= most else f"has {word!r} {found} times, not {_range(least, most)}"

    return check


def _absence_check(unwanted: str) -> Check:
    return lambda text: f"contains {unwanted!r}" if unwanted.casefold() in text.casefold() else None


def _edge_checks(starts_with: str | None, ends_with: str | None, every_line: str | None) -> list[Check]:
    checks: list[Check] = []
    if starts_with is not None:
        opening = starts_with.casefold()
        checks.append(lambda text: None if _plain(text).startswith(opening) else f"does not start with {starts_with!r}")
    if ends_with is not None:
        ending = ends_with.casefold()
        checks.append(lambda text: None if _ends(_plain(text), ending) else f"does not end with {ends_with!r}")
    if every_line is not None:
        each = every_line.casefold()
        checks.append(
            lambda text: next(
                (f"line {shown(line)} starts otherwise" for line in _lines(text) if not line.startswith(each)), None
            )
        )
    return checks


def _lines(text: str) -> list[str]:
    return [_plain(line) for line in text.splitlines() if line.strip()]


def _plain(text: str) -> str:
    return text.replace("**", "").strip().casefold()


def _ends(text: str, ending: str) -> bool:
    return text.endswith(ending) or text.rstrip(".!?\"'”").endswith(ending)


def _letters_check(letters: str) -> Check:
    if letters not in ("upper", "lower"):
        raise GraderError(f"letters is {letters!r}; known: upper, lower")

    def check(text: str) -> str | None:
        fits = text.isupper() if letters == "upper" else text.islower()
        return None if fits else f"is not all in {letters} case"

    return check


def _longest_word_check(most: int) -> Check:
    def check(text: str) -> str | None:
        longest = max(re.findall(r"[^\W\d_]+", text), key=len, default="")
        return None if len(longest) <= most else f"has the word {longest!r} of {len(longest)} letters, more than {most}"

    return check


def _range(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
