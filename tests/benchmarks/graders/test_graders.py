import dataclasses
import time
from typing import Any

import pytest

from benchmarks.graders import GRADERS, GraderError, check_suite, grade
from data.suites.prompts import Prompt, Suite, load_suite, shipped_suites


def value(name: str, answer: str, **options: Any) -> float | None:
    return GRADERS[name](answer, **options).value


@pytest.mark.parametrize("name", shipped_suites())
def test_every_shipped_prompt_tells_its_right_answer_from_its_wrong_one(name: str) -> None:
    examples = [(prompt, answer, value) for prompt in load_suite(name).prompts for answer, value in _examples(prompt)]
    assert [(prompt.id, answer) for prompt, answer, value in examples if grade(prompt, answer).value != value] == []


def _examples(prompt: Prompt) -> list[tuple[str, float]]:
    return [(prompt.right or "", 1.0), (prompt.wrong or "", 0.0)]


@pytest.mark.parametrize("name", shipped_suites())
def test_repeating_the_question_or_saying_nothing_earns_nothing(name: str) -> None:
    for prompt in load_suite(name).prompts:
        assert grade(prompt, prompt.text).value == 0, prompt.id
        assert grade(prompt, "").value == 0, prompt.id
        assert grade(prompt, "I'm sorry, but I can't help with that.").value == 0, prompt.id


@pytest.mark.parametrize("name", shipped_suites())
def test_the_graders_of_every_shipped_suite_are_configured_correctly(name: str) -> None:
    check_suite(load_suite(name))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("42", 1),
        ("**42**", 1),
        ("The answer is 42. That is 2 more than 40.", 1),
        ("6 × 7 = 42", 1),
        ("Answer: 42", 1),
        ("It is forty-two", 1),
        ("$42.00", 1),
        ("42 apples", 1),
        ("\\boxed{42}", 1),
        ("40, 41, 42, 43", 0),
        ("42 or 43", 0),
        ("-42", 0),
        ("The answer is -42.", 0),
        ("The answer is: **42**", 1),
        ("142", 0),
        ("4.2", 0),
        ("no idea", 0),
        ("", 0),
    ],
)
def test_numeric_reads_the_number_that_the_answer_ends_on(answer: str, expected: float) -> None:
    assert value("numeric", answer, value=42) == expected


def test_numeric_reads_thousands_fractions_signs_and_tolerances() -> None:
    assert value("numeric", "1,083 feet", value=1083) == 1
    assert value("numeric", "3/4", value=0.75) == 1
    assert value("numeric", "It is −7", value=-7) == 1
    assert value("numeric", "10-7 = 3", value=3) == 1
    assert value("numeric", "about 3.14", value=3.14159, tolerance=0.01) == 1
    assert value("numeric", "about 3.1", value=3.14159, tolerance=0.01) == 0
    assert value("numeric", "12 eggs, as 12 = 3 x 4", value=12, take="first") == 1


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Eight (8) apples", 8),
        ("two and a half million", 2_500_000),
        ("1½ million", 1_500_000),
        ("x = 7, check: 2 * 7 + 1 = 15", 7),
        ("90 minutes, or 1.5 hours", 90),
        ("90 minutes, or 1.5 hours", 1.5),
        ("It takes 90 minutes, that is 1.5 hours.", 90),
        ("She walks 5,000 m = 5 km.", 5000),
    ],
)
def test_numeric_reads_a_number_that_is_said_twice(answer: str, right: float) -> None:
    assert value("numeric", answer, value=right) == 1


@pytest.mark.parametrize("answer", ["90 minutes, or 2 hours", "90 minutes or 1.5 minutes", "90 or 1.5", "90 km, 1.5 m"])
def test_another_quantity_is_another_answer(answer: str) -> None:
    assert value("numeric", answer, value=90) == 0


def test_exact_ignores_case_quotes_emphasis_and_an_announcing_line_but_not_more() -> None:
    for answer in ("Paris", " paris. ", '"Paris"', "**Paris**", "Here it is:\n\nParis", "The answer is Paris."):
        assert value("exact", answer, answers=["Paris"]) == 1, answer
    for answer in ("Paris or Lyon", "Not Paris", ""):
        assert value("exact", answer, answers=["Paris"]) == 0, answer
    assert value("exact", "Good Morning", answers=["GOOD MORNING"], case=True) == 0
    assert value("exact", "It rained.\nTherefore\nwet", answers=["wet"], where="last line") == 1


def test_keywords_match_whole_words_only() -> None:
    assert value("keywords", "The ORANGE one", all_of=["orange"]) == 1
    assert value("keywords", "oranges", all_of=["orange"]) == 0
    assert value("keywords", "It is 330  m tall", all_of=[["330 m", "330 metres"]]) == 1
    assert value("keywords", "Paris, Lyon and Rome", all_of=["Paris"], none_of=["Rome"]) == 0
    assert value("keywords", "a cat", any_of=["dog", "cat"]) == 1
    assert value("keywords", "a cow", any_of=["dog", "cat"]) == 0
    assert value("keywords", "", none_of=["dog"]) == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes.", 1),
        ("**Yes**, they do, no doubt.", 1),
        ("The answer is yes.", 1),
        ("I would say yes", 1),
        ("Yes and no.", 0),
        ("Yes or no?", 0),
        ("No.", 0),
        ("Maybe.", 0),
        ("I would not say yes.", 0),
        ("The answer could be yes; it could be no.", 0),
    ],
)
def test_choice_takes_one_option_and_gives_nothing_for_naming_both(answer: str, expected: float) -> None:
    assert value("choice", answer, options=["yes", "no"], answer_is="yes") == expected


def test_choice_does_not_take_an_article_for_the_option_a() -> None:
    options = ["A", "B", "C"]
    assert value("choice", "A dog is the best", options=options, answer_is="A") == 0
    assert value("choice", "A) a dog", options=options, answer_is="A") == 1
    assert value("choice", "(B)", options=options, answer_is="B") == 1
    assert value("choice", "The best is option C", options=options, answer_is="C") == 1


def test_sequence_wants_the_numbers_in_a_row() -> None:
    assert value("sequence", "13, 21, 34, 55", items=[13, 21, 34]) == 1
    assert value("sequence", "5 + 8 = 13, 8 + 13 = 21 and 13 + 21 = 34", items=[13, 21, 34]) == 1
    assert value("sequence", "13, 20, 21, 34", items=[13, 21, 34]) == 0
    assert value("sequence", "none", items=[13, 21, 34]) == 0


def test_order_reads_the_list_and_not_the_repeated_question() -> None:
    items = ["apple", "fig", "pear"]
    assert value("order", "apple, fig, pear", items=items) == 1
    assert value("order", "Sorting pear, apple, fig gives: apple, fig, pear.", items=items) == 1
    assert value("order", "pear, fig, apple", items=items) == 0
    assert value("order", "apple, fig, pear: so the apple comes first", items=items) == 1
    assert value("order", "apple, fig", items=items) == 0
    assert value("order", "pear, apple, fig, pear, fig, pear, apple, fig, pear", items=items) == 0


def test_quantity_accepts_other_units_and_refuses_lists_of_guesses() -> None:
    height: dict[str, Any] = {"value": 330, "tolerance": 0.02, "units": {"m": 1, "metres": 1, "feet": 0.3048}}
    assert value("quantity", "It is 330 m tall.", **height) == 1
    assert value("quantity", "a 1,083-feet tower", **height) == 1
    assert value("quantity", "324 metres without antennas", **height) == 1
    assert value("quantity", "330 years old", **height) == 0
    assert value("quantity", "70 to 80 metres", **height) == 0
    assert value("quantity", "310 m 320 m 325 m 330 m 340 m 350 m", **height) == 0


@pytest.mark.parametrize(
    ("options", "good", "bad"),
    [
        ({"words": 3}, "one two three", "one two"),
        ({"words": [2, 4]}, "Here you are:\n\nwell-known it's", "a b c d e"),
        ({"sentences": 2}, "It is 3.5 m. Dr. Lee said so!", "One."),
        ({"lines": 2}, "a\n\nb", "a"),
        ({"paragraphs": 2}, "a b\n\nc d", "a\nb"),
        ({"bullets": 2}, "- a\n* b", "a, b"),
        ({"items": 3}, "red, green, blue", "red, green"),
        ({"starts_with": "In short"}, "in short, yes", "Yes, in short"),
        ({"ends_with": "umbrella"}, "I took my umbrella.", "An umbrella I took"),
        ({"ends_with": "!"}, "Yes!", "Yes."),
        ({"every_line_starts_with": "-"}, "- a\n- b", "- a\nb"),
        ({"letters": "upper"}, "LOUD 1", "Loud"),
        ({"letters": "lower"}, "quiet", "Quiet"),
        ({"without": [","]}, "a b", "a, b"),
        ({"times": {"the sea": 2}}, "The sea, the sea", "the sea"),
        ({"times": {"sea": [1, 2]}}, "sea sea", "sea sea sea"),
        ({"longest_word": 4}, "all are tiny", "some longer"),
    ],
)
def test_format_checks_the_form_loosely(options: dict[str, Any], good: str, bad: str) -> None:
    assert value("format", good, **options) == 1, GRADERS["format"](good, **options)
    assert value("format", bad, **options) == 0, GRADERS["format"](bad, **options)


def test_format_gives_nothing_for_an_empty_answer() -> None:
    assert value("format", "", words=[0, 5]) == 0
    assert value("format", " \n", without=["x"]) == 0


SCHEMA = {"type": "object", "properties": {"n": {"const": 1}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"n": 1}', 1),
        ('```json\n{"n": 1}\n```', 1),
        ('Sure! [Note] Here: {"n": 1} Anything else?', 1),
        ('{"n": 2}', 0),
        ('{"n": NaN}', 0),
        ("n = 1", 0),
        ('{"outer": {"n": 1}, "cut": [1, 2', 0),
        ("[" * 5000, 0),
        ("{" * 20 + '"n": 1' + "}" * 20, 0),
    ],
)
def test_json_is_found_in_chatter_but_never_as_a_part_of_broken_json(answer: str, expected: float) -> None:
    assert value("json_schema", answer, schema=SCHEMA) == expected


def test_json_alone_can_be_demanded() -> None:
    assert value("json_schema", 'Here: {"n": 1}', schema=SCHEMA, only=True) == 0
    assert value("json_schema", '```\n{"n": 1}\n```', schema=SCHEMA, only=True) == 1


def test_regex_finds_or_matches_wholly() -> None:
    assert value("regex", "born in 1969.", pattern=r"\b19\d\d\b") == 1
    assert value("regex", "born in 1969.", pattern=r"19\d\d", whole=True) == 0
    assert value("regex", "ABC", pattern="abc", ignore_case=True) == 1


@pytest.mark.slow
def test_a_regex_that_would_run_for_ever_is_ungradable_within_seconds() -> None:
    start = time.monotonic()
    result = GRADERS["regex"]("a" * 40 + "b", pattern="(a+)+$")
    assert result.value is None
    assert "took longer than 2 s" in result.reason
    assert time.monotonic() - start < 10


@pytest.mark.slow
def test_all_is_right_only_if_every_part_is_and_ungradable_only_if_none_is_wrong() -> None:
    upper, blue = {"name": "format", "letters": "upper"}, {"name": "keywords", "all_of": ["blue"]}
    hangs = {"name": "regex", "pattern": "(a+)+$"}
    assert value("all", "BLUE", graders=[upper, blue]) == 1
    assert value("all", "blue", graders=[upper, blue]) == 0
    assert value("all", "a" * 40 + "b", graders=[hangs, upper]) == 0
    assert value("all", "a" * 40 + "b", graders=[hangs, {"name": "format", "words": 1}]) is None


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"name": "numerical", "value": 1}, "unknown grader 'numerical'; known: all, choice"),
        ({"name": "numerical", "value": 1}, "did you mean 'numeric'?"),
        ({"name": "numeric"}, "grader 'numeric': option 'value' is missing"),
        ({"name": "numeric", "value": "4"}, "option value is '4'; expected float"),
        ({"name": "numeric", "value": True}, "option value is True"),
        ({"name": "numeric", "value": float("nan")}, "value is nan"),
        ({"name": "numeric", "value": 1, "tolerance": -1}, "tolerance is -1"),
        ({"name": "numeric", "value": 1, "take": "middle"}, "take is 'middle'; known: final, first"),
        ({"name": "numeric", "value": 1, "tolerence": 1}, "unknown option 'tolerence'; known: value, tolerance, take"),
        ({"name": "exact", "answers": []}, "answers is empty"),
        ({"name": "exact", "answers": "Paris"}, "expected Sequence[str]"),
        ({"name": "exact", "answers": ["x"], "where": "middle"}, "where is 'middle'"),
        ({"name": "keywords"}, "at least one of all_of"),
        ({"name": "keywords", "all_of": [""]}, "an empty word"),
        ({"name": "choice", "options": ["a", "b"], "answer_is": "c"}, "'c' is not among the options"),
        ({"name": "choice", "options": ["yes", "Yes"], "answer_is": "yes"}, "two different"),
        ({"name": "sequence", "items": [1]}, "needs at least 2"),
        ({"name": "order", "items": ["a"]}, "needs at least 2"),
        ({"name": "quantity", "value": 1, "units": {}, "tolerance": 0}, "units must map"),
        ({"name": "format"}, "no check given"),
        ({"name": "format", "words": [4, 2]}, "words is [4, 2]"),
        ({"name": "format", "letters": "title"}, "letters is 'title'"),
        ({"name": "json_schema", "schema": {"type": "objekt"}}, "not a JSON schema"),
        ({"name": "json_schema", "schema": {"pattern": "(a+)+"}}, "schema uses 'pattern'"),
        ({"name": "json_schema", "schema": {"$ref": "https://example.org"}}, "schema uses '$ref'"),
        ({"name": "regex", "pattern": "("}, "not a regular expression"),
        ({"name": "contains", "texts": []}, "texts is empty"),
        ({"name": "all", "graders": []}, "graders is empty"),
        ({"name": "all", "graders": [{"name": "nope"}]}, "unknown grader 'nope'"),
        ({"name": "all", "graders": [{"value": 1}]}, "an object with a name"),
    ],
)
def test_a_mistake_in_the_configuration_is_found_before_the_run(config: dict[str, Any], wanted: str) -> None:
    prompt = dataclasses.replace(load_suite("report").prompts[0], id="p1", grader=config)
    with pytest.raises(GraderError) as caught:
        check_suite(Suite(name="mine", prompts=(prompt,), sha256=""))
    message = str(caught.value)
    assert message.startswith("suite mine, prompt 'p1': ")
    assert wanted in message
    assert "\n" not in message


@pytest.mark.slow
def test_long_and_strange_answers_are_graded_without_an_exception() -> None:
    for answer in ("9" * 5000, "\x00\ud800", "-" * 1000, "((((" * 500, "1/0", "=" * 3000, "." * 5000):
        for prompt in _one_of_each_grader():
            grade(prompt, answer)


def test_an_example_that_its_own_grader_gets_wrong_is_one_line() -> None:
    prompt = dataclasses.replace(
        load_suite("report").prompts[0], id="p1", grader={"name": "numeric", "value": 2_125_000}, right="2.1 million"
    )
    with pytest.raises(GraderError) as caught:
        check_suite(Suite(name="mine", prompts=(prompt,), sha256=""))
    assert str(caught.value) == (
        "suite mine, prompt 'p1': its example 'right' is graded wrong ('says 2100000, not 2125000'); "
        "correct the grader's options or the example"
    )


def test_a_number_of_a_thousand_digits_is_a_grade_or_one_line() -> None:
    digits = "9" * 1000
    for answer in (digits, f"The answer is {digits}.", f"1e{digits}", f"10^{digits}", f"{digits}/{digits}"):
        assert value("numeric", answer, value=42) == 0
    with pytest.raises(GraderError, match="value has more than 308 digits"):
        GRADERS["numeric"]("1", value=int(digits))


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["9", "1,", "(", "{", "**", "</think>", "\\boxed{", "not B, ", "five ", "é", '"'])
def test_an_answer_of_a_megabyte_takes_a_moment(piece: str) -> None:
    answer = piece * (1_000_000 // len(piece))
    start = time.monotonic()
    for prompt in _one_of_each_grader():
        grade(prompt, answer)
    assert time.monotonic() - start < 20


def _one_of_each_grader() -> list[Prompt]:
    prompts = [prompt for name in shipped_suites() for prompt in load_suite(name).prompts]
    return list({prompt.grader["name"]: prompt for prompt in prompts}.values())
