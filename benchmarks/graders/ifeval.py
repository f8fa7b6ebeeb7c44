"""IFEval's instructions: checks of form that code can make (Zhou et al. 2023, arXiv:2311.07911), strict, all at once.

Words and sentences are counted as `form` counts them, without a tokenizer that has to be downloaded, so single
verdicts can differ from the paper's. The language of an answer cannot be told here: such a prompt is ungradable.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.graders.form import sentence_count, word_count
from benchmarks.graders.grade import Grade, GraderError, right, shown, wrong
from benchmarks.graders.words import body

Options = Mapping[str, Any]
_SPLIT = re.compile(r"\s?\*\*\*\s?")
_CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")


def _related(found: int, options: Options, wanted: str) -> bool:
    """IFEval knows two relations: "less than" and "at least"."""
    limit = int(options[wanted])
    return found < limit if options.get("relation") == "less than" else found >= limit


def _count(word: str, text: str) -> int:
    return len(re.findall(re.escape(word), text, re.IGNORECASE))


def _paragraph_starts(text: str, options: Options) -> bool:
    paragraphs = [part for part in re.split(r"\n\n", text) if part.strip()]
    nth = int(options["nth_paragraph"])
    if len(paragraphs) != int(options["num_paragraphs"]) or not 1 <= nth <= len(paragraphs):
        return False
    first = re.findall(r"[\w'-]+", paragraphs[nth - 1])
    return bool(first) and first[0].casefold() == str(options["first_word"]).casefold()


def _is_json(text: str, _: Options) -> bool:
    try:
        json.loads(body(text))
    except (ValueError, RecursionError):
        return False
    return True


def _sections(text: str, options: Options) -> bool:
    splitter = re.escape(str(options["section_spliter"]))
    return len(re.findall(rf"\s?{splitter}\s?\d+\s?", text)) >= int(options["num_sections"])


def _highlights(text: str, options: Options) -> bool:
    found = [part for part in re.findall(r"\*\*[^\n*]+\*\*|\*[^\n*]+\*", text) if part.strip("* ")]
    return len(found) >= int(options["num_highlights"])


def _two_responses(text: str, _: Options) -> bool:
    parts = [part.strip() for part in text.split("******")]
    kept = [part for part in parts if part]
    return len(kept) == 2 and kept[0] != kept[1]


def _postscript(text: str, options: Options) -> bool:
    marker = str(options["postscript_marker"]).casefold()
    return re.search(rf"\s*{re.escape(marker)}.*$", text.casefold(), re.MULTILINE) is not None


def _capital_words(text: str, options: Options) -> bool:
    found = sum(1 for word in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text) if word.isupper())
    return _related(found, {"relation": options.get("capital_relation"), **options}, "capital_frequency")


def _letters(text: str, options: Options) -> bool:
    found = text.casefold().count(str(options["letter"]).casefold())
    return _related(found, {"relation": options.get("let_relation")} | dict(options), "let_frequency")


CHECKS: dict[str, Callable[[str, Options], bool]] = {
    "keywords:existence": lambda text, it: all(_count(word, text) for word in it["keywords"]),
    "keywords:forbidden_words": lambda text, it: (
        not any(re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE) for word in it["forbidden_words"])
    ),
    "keywords:frequency": lambda text, it: _related(_count(it["keyword"], text), it, "frequency"),
    "keywords:letter_frequency": _letters,
    "length_constraints:number_words": lambda text, it: _related(word_count(text), it, "num_words"),
    "length_constraints:number_sentences": lambda text, it: _related(sentence_count(text), it, "num_sentences"),
    "length_constraints:number_paragraphs": lambda text, it: (
        len([part for part in _SPLIT.split(text.strip()) if part.strip()]) == int(it["num_paragraphs"])
    ),
    "length_constraints:nth_paragraph_first_word": _paragraph_starts,
    "detectable_content:number_placeholders": lambda text, it: (
        len(re.findall(r"\[[^\[\]]*\]", text)) >= int(it["num_placeholders"])
    ),
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": lambda text, it: (
        len(re.findall(r"^\s*(?:\*(?!\*)|-)[^\n]+$", text, re.MULTILINE)) == int(it["num_bullets"])
    ),
    "detectable_format:constrained_response": lambda text, _: any(choice in text for choice in _CHOICES),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": _sections,
    "detectable_format:json_format": _is_json,
    "detectable_format:title": lambda text, _: any(part.strip("<> ") for part in re.findall(r"<<[^\n<>]+>>", text)),
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda text, it: (
        text.strip().casefold().startswith(str(it["prompt_to_repeat"]).strip().casefold())
    ),
    "startend:end_checker": lambda text, it: (
        text.strip().strip('"').casefold().endswith(str(it["end_phrase"]).strip().casefold())
    ),
    "startend:quotation": lambda text, _: len(text.strip()) > 1 and text.strip()[0] == text.strip()[-1] == '"',
    "change_case:capital_word_frequency": _capital_words,
    "change_case:english_capital": lambda text, _: text.isupper(),
    "change_case:english_lowercase": lambda text, _: text.islower(),
    "punctuation:no_comma": lambda text, _: "," not in text,
}
_UNGRADABLE = ("language:response_language",)


def ifeval(answer: str, *, instructions: Sequence[Mapping[str, Any]]) -> Grade:
    """Every instruction is followed, in the answer as it stands.

    Args:
        instructions: Each with its `id` in IFEval and its options there.
    """
    if not instructions:
        raise GraderError("instructions is empty; give at least one")
    names = [str(each.get("id")) for each in instructions]
    if unknown := [name for name in names if name not in CHECKS and name not in _UNGRADABLE]:
        raise GraderError(f"unknown instruction {unknown[0]!r}; known: {', '.join((*CHECKS, *_UNGRADABLE))}")
    verdicts = [_follows(answer, each) for each in instructions if each["id"] in CHECKS]
    if not answer.strip():
        return wrong("is empty")
    if failed := [name for name, followed in zip((n for n in names if n in CHECKS), verdicts) if not followed]:
        return wrong(f"does not follow {failed[0]}")
    if beyond := [name for name in names if name in _UNGRADABLE]:
        return Grade(value=None, reason=f"{beyond[0]} cannot be checked here")
    return right("follows every instruction")


def _follows(answer: str, instruction: Mapping[str, Any]) -> bool:
    try:
        return CHECKS[instruction["id"]](answer, instruction)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise GraderError(f"instruction {shown(str(instruction['id']))}: option {error} is missing or wrong") from None
