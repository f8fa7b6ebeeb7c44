"""IFEval's instructions: checks of form that code can make (Zhou et al. 2023, arXiv:2311.07911), strict, all at once.

Every check says what the reference implementation says (lm-evaluation-harness 0.4.13), on the 3,000 pairs of
`tests/benchmarks/graders/ifeval_pairs.json`; `make peers` makes them anew. It differs on purpose in three ways:

- Keywords, forbidden words and section names are texts; in the reference they are regular expressions, so that "C++"
  ends it and others could run for ever.
- Language detection is seeded; the reference draws anew each time.
- A missing option is a mistake; the reference draws one at random.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong
from benchmarks.graders.reference_counts import language_of, sentence_count, tokens, word_count

Options = Mapping[str, Any]
_CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCES = ("```json", "```Json", "```JSON", "```")
_ENDS_A_WORD = re.compile(r"""[.,?!'"]""")


def _related(found: int, options: Options, wanted: str, relation: str = "relation") -> bool:
    """IFEval knows two relations: "less than" and "at least"."""
    limit = int(options[wanted])
    return found < limit if options.get(relation) == "less than" else found >= limit


def _count(word: str, text: str) -> int:
    return len(re.findall(re.escape(word), text, re.IGNORECASE))


def _paragraphs(text: str, options: Options) -> bool:
    """Parted by three asterisks; an empty one may stand at the beginning or the end alone."""
    parts = re.split(r"\s?\*\*\*\s?", text)
    inner = parts[1:-1]
    written = sum(1 for part in parts if part.strip())
    return all(part.strip() for part in inner) and written == int(options["num_paragraphs"])


def _paragraph_starts(text: str, options: Options) -> bool:
    """Parted by an empty line. Blank paragraphs do not count, but they do when the nth is looked up."""
    paragraphs = text.split("\n\n")
    written = sum(1 for part in paragraphs if part.strip())
    nth, first_word = int(options["nth_paragraph"]), str(options["first_word"]).lower()
    words = paragraphs[nth - 1].split() if nth <= written else []
    if not words:
        return False
    first = _ENDS_A_WORD.split(words[0].lstrip("'").lstrip('"'), maxsplit=1)[0].lower()
    return written == int(options["num_paragraphs"]) and first == first_word


def _is_json(text: str, _: Options) -> bool:
    written = text.strip()
    for fence in _FENCES:
        written = written.removeprefix(fence)
    try:
        json.loads(written.removesuffix("```").strip())
    except (ValueError, RecursionError):
        return False
    return True


def _sections(text: str, options: Options) -> bool:
    name = re.escape(str(options["section_spliter"]).strip())
    return len(re.findall(rf"{name}\s?\d+", text)) >= int(options["num_sections"])


def _placeholders(text: str, options: Options) -> bool:
    lines = (line[: line.rfind("]") + 1] for line in text.split("\n"))
    return sum(len(re.findall(r"\[[^\]]*\]", line)) for line in lines) >= int(options["num_placeholders"])


def _bullets(text: str, options: Options) -> bool:
    stars = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    dashes = re.findall(r"^[^\S\n]*-", text, re.MULTILINE)
    return len(stars) + len(dashes) == int(options["num_bullets"])


def _highlights(text: str, options: Options) -> bool:
    single = sum(1 for part in re.findall(r"\*[^\n*]*\*", text) if part.strip("*").strip())
    double = sum(1 for part in re.findall(r"\*\*([^\n*]*)\*\*", text) if part.strip())
    return single + double >= int(options["num_highlights"])


def _has_title(text: str, _: Options) -> bool:
    lines = (line[: line.rfind(">>") + 2] for line in text.split("\n") if ">>" in line)
    return any(each.lstrip("<").rstrip(">").strip() for line in lines for each in re.findall(r"<<.+>>", line))


def _two_responses(text: str, _: Options) -> bool:
    parts = [part.strip() for part in text.split("******")]
    written = [part for part in parts if part]
    return all(parts[1:-1]) and len(written) == 2 and written[0] != written[1]


def _postscript(text: str, options: Options) -> bool:
    """The two usual markers may have spaces between their letters."""
    marker = str(options["postscript_marker"]).strip()
    spaced = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return re.search(spaced.get(marker, re.escape(marker.lower())), text.lower()) is not None


def _ends(text: str, options: Options) -> bool:
    return text.strip().strip('"').lower().endswith(str(options["end_phrase"]).strip().lower())


def _capital_words(text: str, options: Options) -> bool:
    return _related(sum(map(str.isupper, tokens(text))), options, "capital_frequency", "capital_relation")


def _letters(text: str, options: Options) -> bool:
    found = text.lower().count(str(options["letter"]).strip().lower())
    return _related(found, options, "let_frequency", "let_relation")


def _is_in(text: str, language: str) -> bool:
    """A text that nothing can be told from passes."""
    return language_of(text) in (language, None)


CHECKS: dict[str, Callable[[str, Options], bool]] = {
    "keywords:existence": lambda text, it: all(_count(word, text) for word in it["keywords"]),
    "keywords:forbidden_words": lambda text, it: (
        not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in it["forbidden_words"])
    ),
    "keywords:frequency": lambda text, it: _related(_count(it["keyword"].strip(), text), it, "frequency"),
    "keywords:letter_frequency": _letters,
    "language:response_language": lambda text, it: _is_in(text, it["language"]),
    "length_constraints:number_words": lambda text, it: _related(word_count(text), it, "num_words"),
    "length_constraints:number_sentences": lambda text, it: _related(sentence_count(text), it, "num_sentences"),
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:nth_paragraph_first_word": _paragraph_starts,
    "detectable_content:number_placeholders": _placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _bullets,
    "detectable_format:constrained_response": lambda text, _: any(choice in text for choice in _CHOICES),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _is_json,
    "detectable_format:title": _has_title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda text, it: (
        text.strip().lower().startswith(str(it["prompt_to_repeat"]).strip().lower())
    ),
    "startend:end_checker": _ends,
    "startend:quotation": lambda text, _: len(text.strip()) > 1 and text.strip()[0] == text.strip()[-1] == '"',
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": lambda text, _: text.isupper() and _is_in(text, "en"),
    "change_case:english_lowercase": lambda text, _: text.islower() and _is_in(text, "en"),
    "punctuation:no_comma": lambda text, _: "," not in text,
}


def ifeval(answer: str, *, instructions: Sequence[Mapping[str, Any]]) -> Grade:
    """Every instruction is followed, in the answer as it stands.

    Args:
        instructions: Each with its `id` in IFEval and its options there.
    """
    if not instructions:
        raise GraderError("instructions is empty; give at least one")
    names = [str(each.get("id")) for each in instructions]
    if unknown := [name for name in names if name not in CHECKS]:
        raise GraderError(f"unknown instruction {unknown[0]!r}; known: {', '.join(CHECKS)}")
    verdicts = [_follows(answer, each) for each in instructions]
    if not answer.strip():
        return wrong("is empty")
    if failed := [name for name, followed in zip(names, verdicts) if not followed]:
        return wrong(f"does not follow {failed[0]}")
    return right("follows every instruction")


def _follows(answer: str, instruction: Mapping[str, Any]) -> bool:
    try:
        return CHECKS[instruction["id"]](answer, instruction)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraderError(f"instruction {shown(str(instruction['id']))}: option {error} is missing or wrong") from None
