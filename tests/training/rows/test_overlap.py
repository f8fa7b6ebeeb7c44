import pytest

from data.errors import SuiteError
from data.suites.prompts import load_suite, shipped_suites
from training.rows.overlap import RUN_WORDS, normalized, overlap_with, repetition_key, suite_prompts

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def test_case_punctuation_and_spacing_do_not_hide_a_prompt() -> None:
    overlap = overlap_with(["What is the capital of France?"])
    assert overlap.found_in(["what is  the CAPITAL of\nFrance"])
    assert not overlap.found_in(["What is the capital of Spain?"])


def test_a_prompt_in_any_user_turn_counts() -> None:
    assert overlap_with(["Bye."]).found_in(["Hello", "bye"])


def test_thirteen_words_in_a_row_are_a_quotation_and_twelve_are_not() -> None:
    overlap = overlap_with([LONG])
    words = LONG.split()
    assert RUN_WORDS == 13
    assert overlap.found_in([f"Please repeat: {' '.join(words[1:14])} and stop."])
    assert not overlap.found_in([f"Please repeat: {' '.join(words[1:13])} and stop."])


def test_prompts_of_the_same_generator_are_compared_as_a_whole_only() -> None:
    overlap = overlap_with([], in_distribution=[LONG])
    assert overlap.found_in([LONG.upper()])
    assert not overlap.found_in([f"{LONG} fifteen"])


def test_texts_without_words_are_compared_by_their_characters() -> None:
    assert normalized("? !") == "?!"
    assert overlap_with(["+ +"]).found_in(["++"])
    assert not overlap_with([" "]).found_in([""])


def repeats(one: str, other: str) -> bool:
    return repetition_key([{"role": "user", "content": one}]) == repetition_key([{"role": "user", "content": other}])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("40 + 7", "40 - 7"),
        ("40 * 7", "40 // 7"),
        ("Is C old?", "Is C++ old?"),
        ("Is C old?", "Is C# old?"),
        ("5", "-5"),
        ("x²", "x2"),
        ("a < b", "a > b"),
        ("5%", "5"),
        ("¿Qué?", "¿Que?"),
    ],
)
def test_signs_and_operators_tell_rows_apart(one: str, other: str) -> None:
    assert not repeats(one, other)


@pytest.mark.parametrize(
    ("one", "other"), [("Add  1\n2.", "add 1 2."), ("Zoë", "Zoe\u0308"), ("STRASSE", "straße"), ("Ⅳ", "ⅳ")]
)
def test_case_white_space_and_the_form_of_characters_do_not(one: str, other: str) -> None:
    assert repeats(one, other)


def test_every_prompt_of_every_shipped_suite_is_found() -> None:
    for held_out in ((), tuple(shipped_suites())):
        overlap = overlap_with(*suite_prompts(held_out))
        for name in shipped_suites():
            for prompt in load_suite(name).prompts:
                assert overlap.found_in([turn.content for turn in prompt.messages if turn.role == "user"])


def test_the_reports_prompts_are_among_them() -> None:
    strict, loose = suite_prompts(())
    assert "Describe a tall tower in the capital of France." in strict
    assert loose == []


def test_a_held_out_suite_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(SuiteError, match="none-such"):
        suite_prompts(["none-such"])
