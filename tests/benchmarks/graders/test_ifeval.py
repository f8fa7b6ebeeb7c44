import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.graders.grade import GraderError
from benchmarks.graders.ifeval import CHECKS, ifeval

PAIRS = json.loads(Path(__file__).with_name("ifeval_pairs.json").read_text(encoding="utf-8"))
CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "keywords:existence": ({"keywords": ["sea", "Salt"]}, "The sea has salt.", "The sea."),
    "keywords:forbidden_words": ({"forbidden_words": ["bad"]}, "A badger.", "How bad."),
    "keywords:frequency": ({"keyword": "go", "frequency": 2, "relation": "at least"}, "go go", "go"),
    "keywords:letter_frequency": ({"letter": "z", "let_frequency": 2, "let_relation": "at least"}, "pizza", "zoo"),
    "language:response_language": ({"language": "de"}, "Das ist ein deutscher Satz.", "This is an English sentence."),
    "length_constraints:number_words": ({"num_words": 3, "relation": "less than"}, "Two words", "Now three words"),
    "length_constraints:number_sentences": ({"num_sentences": 2, "relation": "at least"}, "One. Two.", "One."),
    "length_constraints:number_paragraphs": ({"num_paragraphs": 2}, "One\n***\nTwo", "One\n\nTwo"),
    "length_constraints:nth_paragraph_first_word": (
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "then"},
        "First.\n\nThen more.",
        "Then.\n\nMore.",
    ),
    "detectable_content:number_placeholders": ({"num_placeholders": 2}, "[name], [place]", "[name]"),
    "detectable_content:postscript": ({"postscript_marker": "P.S."}, "Bye.\nP.S. Write!", "Bye."),
    "detectable_format:number_bullet_lists": ({"num_bullets": 2}, "* one\n* two", "* one\n* two\n* three"),
    "detectable_format:constrained_response": ({}, "My answer is no.", "No."),
    "detectable_format:number_highlighted_sections": ({"num_highlights": 2}, "*one* and **two**", "*one* only"),
    "detectable_format:multiple_sections": (
        {"section_spliter": "Section", "num_sections": 2},
        "Section 1 a\nSection 2 b",
        "Section 1 a",
    ),
    "detectable_format:json_format": ({}, '```json\n{"a": 1}\n```', "{a: 1}"),
    "detectable_format:title": ({}, "<<Rivers>>\nThey flow.", "Rivers"),
    "combination:two_responses": ({}, "One way\n******\nAnother", "The same\n******\nThe same"),
    "combination:repeat_prompt": ({"prompt_to_repeat": "Why?"}, "Why? Because.", "Because."),
    "startend:end_checker": ({"end_phrase": "The end."}, "So it went. The end.", "The end. Or not"),
    "startend:quotation": ({}, '"All of it"', '"A part" of it'),
    "change_case:capital_word_frequency": (
        {"capital_frequency": 2, "capital_relation": "at least"},
        "VERY GOOD it is",
        "VERY good it is",
    ),
    "change_case:english_capital": ({}, "THIS IS A LOUD SENTENCE!", "This is a loud sentence!"),
    "change_case:english_lowercase": ({}, "this is a quiet sentence.", "This is one."),
    "punctuation:no_comma": ({}, "None here.", "One, here."),
}


def test_every_instruction_has_a_case() -> None:
    assert CASES.keys() == CHECKS.keys()


@pytest.mark.parametrize("name", CASES)
def test_an_instruction_tells_an_answer_that_follows_it_from_one_that_does_not(name: str) -> None:
    options, follows, fails = CASES[name]
    assert ifeval(follows, instructions=[{"id": name, **options}]).value == 1
    assert ifeval(fails, instructions=[{"id": name, **options}]).reason == f"does not follow {name}"
    assert ifeval("", instructions=[{"id": name, **options}]).value == 0


def test_the_checks_say_what_the_reference_implementation_says() -> None:
    """Made by `make peers`; the differences on purpose are in the module's docstring and not among the pairs."""
    assert len(PAIRS["pairs"]) >= 2000
    assert {name for _, name, _, _ in PAIRS["pairs"]} == CHECKS.keys()
    for at, name, options, follows in PAIRS["pairs"]:
        answer = PAIRS["answers"][at]
        found = ifeval(answer, instructions=[{"id": name, **options}]).value == 1
        assert found == follows, (name, options, answer)


def test_all_instructions_must_be_followed_the_language_too() -> None:
    both = [{"id": "punctuation:no_comma"}, {"id": "change_case:english_lowercase"}]
    assert ifeval("it is quiet around here", instructions=both).value == 1
    assert ifeval("it is quiet, around here", instructions=both).value == 0
    german = [{"id": "punctuation:no_comma"}, {"id": "language:response_language", "language": "de"}]
    assert ifeval("Guten Tag und herzlich willkommen bei uns", instructions=german).value == 1
    assert ifeval("Good morning and welcome to all of you", instructions=german).value == 0
    assert ifeval("Guten Tag, herzlich willkommen bei uns", instructions=german).value == 0


def test_a_keyword_with_special_characters_is_a_text() -> None:
    assert ifeval("I like C++.", instructions=[{"id": "keywords:existence", "keywords": ["C++"]}]).value == 1


@pytest.mark.parametrize(
    ("instructions", "wanted"),
    [
        ([], "instructions is empty"),
        ([{"id": "keywords:rhyme"}], "unknown instruction 'keywords:rhyme'; known: keywords:existence"),
        ([{"id": "keywords:existence"}], "option 'keywords' is missing or wrong"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(instructions: list[dict[str, Any]], wanted: str) -> None:
    with pytest.raises(GraderError, match=wanted):
        ifeval("Hello", instructions=instructions)
