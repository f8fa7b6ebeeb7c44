"""Answers as people and models write them, and one property for each kind of grader: every writing grades alike."""

import json
import statistics
import time
import unicodedata
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.graders import GRADERS, visible

CASES = [json.loads(line) for line in Path(__file__).with_name("cases.jsonl").read_text(encoding="utf-8").splitlines()]
STATEMENTS = (
    "{}",
    "{}.",
    "**{}**",
    "The answer is {}.",
    "Answer: {}",
    "**Answer:** {}",
    "Final answer: **{}**",
    "5 is too few. The answer is {}.",
    "<think>It may be 7, or A.</think>\n\n{}",
    "[THINK]7[/THINK]The answer is {}",
    "The answer is {}, because 3 is less than 12.",
    "The answer is 7. Wait, no: {}",
    "The answer is:\n\n{}",
    "{}\n\nExplanation: there are 12 of them, not 3.",
    "答案是{}。",
    "The answer is {}. [1]",
)


def said(config: dict[str, Any], answer: str) -> float | None:
    return GRADERS[config["name"]](answer, **{key: each for key, each in config.items() if key != "name"}).value


@pytest.mark.parametrize("case", CASES, ids=[f"{each['grader']['name']}-{each['answer'][:40]!r}" for each in CASES])
def test_an_answer_is_read_as_a_person_would_read_it(case: dict[str, Any]) -> None:
    assert said(case["grader"], case["answer"]) == case["expected"]


ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen".split()
ONES += "seventeen eighteen nineteen".split()
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety".split()


def spelled(number: int, *, joint: str = " ", dash: str = "-") -> str:
    """A number below a million in words."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"{dash}{ONES[number % 10]}" if number % 10 else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    rest = number % size
    before = f"{spelled(number // size, joint=joint, dash=dash)} {name}"
    return before + (f"{joint if size == 100 else ' '}{spelled(rest, joint=joint, dash=dash)}" if rest else "")


def grouped(number: int, mark: str) -> str:
    return f"{number:,}".replace(",", mark)


def in_digits(number: int, zero: str) -> str:
    return "".join(chr(ord(zero) + int(digit)) for digit in str(number))


def writings(number: int) -> list[str]:
    """A whole number from a thousand to a million, without a sign, in fifty writings."""
    exponent = len(str(number)) - 1
    mantissa = str(number)[0] + "." + str(number)[1:]
    groups = [grouped(number, mark) for mark in (",", "\u2009", "\u202f", "\u00a0", "'", "’", "{,}", "\\,", "_")]
    powers = [
        template.format(mantissa, exponent)
        for template in (
            "{} × 10^{}",
            "{} x 10^{}",
            "{} * 10^{}",
            "{}·10^{}",
            "{} \\times 10^{{{}}}",
            "{} \\cdot 10^{{{}}}",
            "{}e{}",
            "{}E+{:02d}",
            "{}e+{:02d}",
        )
    ]
    powers.append(f"{mantissa} × 10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[exponent]}")
    words = [spelled(number), spelled(number, joint=" and "), spelled(number, dash=" ")]
    fractions = [f"{2 * number}/2", f"\\frac{{{2 * number}}}{{2}}", f"\\dfrac{{{2 * number}}}{{2}}"]
    scaled = [f"{number / 1000:.3f} thousand", f"{number / 1e6:.6f} million", f"{number / 1e4:.4f}万"]
    digits = [in_digits(number, zero) for zero in "0０٠०৪"[:4]]
    currency = [
        f"${number}",
        f"€{number}",
        f"£{number:,}",
        f"{number} €",
        f"{number} USD",
        f"US${number}",
        f"${number}.00",
    ]
    others = [
        *(f"{number}.0", f"{number}.000", f"{grouped(number, '.')},0", f"{grouped(number, ' ')},0", f"0{number}"),
        *(f"{number} apples", f"{number} km/h", f"{number} m²", f"x = {number}", f"${number}$", f"\\({number}\\)"),
        *(f"\\boxed{{{number}}}", f"$\\boxed{{{number}}}$", f"`{number}`", f"about {number}", f"≈ {number}"),
    ]
    return [
        *groups,
        *powers,
        *words,
        *[word.title() for word in words],
        *fractions,
        *scaled,
        *digits,
        *currency,
        *others,
    ]


SIGNS = ("-", "−", "–", "minus ", "negative ")


def signed(writing: str, sign: str) -> str:
    """With the sign where people put it: before the currency, within the box, after "x ="."""
    for lead in ("$\\boxed{", "\\boxed{", "x = ", "\\(", "about ", "≈ ", "`"):
        if writing.startswith(lead):
            return lead + sign + writing.removeprefix(lead)
    if writing.startswith("$") and writing.endswith("$"):
        return f"${sign}{writing[1:]}"
    return sign + writing


def test_there_are_fifty_writings() -> None:
    assert len({*writings(21_345)}) >= 50


@given(st.integers(1_000, 999_999), st.data())
@settings(deadline=None, max_examples=400)
def test_a_number_in_any_of_fifty_writings_grades_alike(number: int, data: st.DataObject) -> None:
    writing = data.draw(st.sampled_from(writings(number)))
    sign = data.draw(st.sampled_from(("", "", *SIGNS)))
    answer = data.draw(st.sampled_from(STATEMENTS)).format(signed(writing, sign) if sign else writing)
    value = -number if sign else number
    for tried, expected in ((value, 1), (-value, 0), (value + 1, 0), (value * 10, 0), (value / 1000, 0)):
        assert said({"name": "numeric", "value": tried}, answer) == expected, answer


LETTERS = (
    "{}",
    "{}.",
    "{})",
    "({})",
    "[{}]",
    "**{}**",
    "Option {}",
    "option {}",
    "{}) Tokyo",
    "{}. Tokyo",
    "\\boxed{{{}}}",
)


@given(st.sampled_from("ABCD"), st.sampled_from(LETTERS), st.data())
@settings(deadline=None, max_examples=300)
def test_a_choice_in_any_writing_grades_alike(letter: str, writing: str, data: st.DataObject) -> None:
    statements = (
        "{}",
        "The answer is {}",
        "The correct answer is: {}",
        "Answer: {}",
        "A and C differ.\n\n{}",
        "答案是{}",
    )
    answer = data.draw(st.sampled_from((*statements, "<think>A or B?</think>{}"))).format(writing.format(letter))
    for option in "ABCD":
        config = {"name": "choice", "options": list("ABCD"), "answer_is": option}
        assert said(config, answer) == (option == letter), answer


@given(st.sampled_from(("Zürich", "東京", "서울", "กรุงเทพ", "Paris", "São Paulo")), st.data())
@settings(deadline=None)
def test_a_word_in_any_writing_grades_alike(word: str, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(("NFC", "NFD")))
    within = data.draw(st.sampled_from(("{}", "**{}**", "是{}。", "({})", "「{}」", "{}, yes", "เมือง{}")))
    answer = unicodedata.normalize(form, within.format(word))
    assert said({"name": "keywords", "all_of": [word]}, answer) == 1, answer
    assert said({"name": "exact", "answers": [word]}, unicodedata.normalize(form, f"**{word}。**")) == 1


@given(
    st.lists(
        st.sampled_from(("Dr. Lee came.", "It cost 3.5 m.", "Really?", "Go!", "We met in the U.S. in May.")), max_size=5
    )
)
@settings(deadline=None)
def test_sentences_are_counted_alike_in_lists_and_in_lines(sentences: list[str]) -> None:
    count = {"name": "format", "sentences": len(sentences)}
    expected = 1 if sentences else 0
    for mark in ("", "- ", "* ", "{}. ", "({}) "):
        answer = "\n".join(mark.format(at) + each for at, each in enumerate(sentences, start=1))
        assert said(count, answer) == expected, answer


@given(
    st.sampled_from(("", "See [1]: ", "A { opens it. ", "An empty {} is none. ", "<think>{}</think>", "[Note] ")),
    st.booleans(),
)
def test_the_json_is_found_whatever_is_beside_it(beside: str, fenced: bool) -> None:
    written = '```json\n{"a": [1]}\n```' if fenced else '{"a": [1]}'
    assert said({"name": "json_schema", "schema": {"type": "object", "required": ["a"]}}, beside + written) == 1


MARKS = (
    "<think>",
    "</think>",
    "[THINK]",
    "[/THINK]",
    "<|channel|>analysis<|message|>",
    "<|end|>",
    "<thought>",
    "\n",
    "z ",
)


@given(st.lists(st.sampled_from(MARKS), max_size=12).map("".join))
def test_a_visible_answer_has_no_more_trace_and_nothing_is_lost(text: str) -> None:
    parts = visible(text)
    assert visible(parts.answer).answer.strip() == parts.answer.strip()
    assert parts.answer.count("z") + parts.thinking.count("z") == text.count("z")


@pytest.mark.parametrize(
    ("text", "answer", "thinking"),
    [
        ("<think>So 7.</think>\n\n42", "42", "So 7."),
        ("<thought>So 7.</thought>42", "42", "So 7."),
        ("[THINK]So 7.[/THINK]42", "42", "So 7."),
        ("So 7.</think>42", "42", "So 7."),
        ("<think>So 7. And then", "", "So 7. And then"),
        (
            "<|channel|>analysis<|message|>So 7.<|end|><|start|>assistant<|channel|>final<|message|>42<|return|>",
            "42",
            "So 7.",
        ),
        ("<|channel>thought\nSo 7.<channel|>42", "42", "So 7."),
        ("analysisSo 7.assistantfinal42", "42", "So 7."),
        ("The <think> tag opens it.", "The <think> tag opens it.", ""),
    ],
)
def test_a_trace_is_parted_from_the_answer(text: str, answer: str, thinking: str) -> None:
    assert (visible(text).answer, visible(text).thinking) == (answer, thinking)


def formula(random: Random, depth: int) -> str:
    """A formula with constructions within constructions, as far as `depth`."""
    if depth == 0:
        return random.choice(
            [str(random.randint(2, 20)), str(random.randint(100, 9999)), f"{random.uniform(0, 9):.2f}"]
        )
    wholes = (
        *(
            r"\frac{%s}{%s}",
            r"\sqrt{%s}",
            "%s^{2}",
            "%s+%s",
            "%s-%s",
            r"%s \times %s",
            "(%s)",
            r"%s\pi",
            r"\sqrt[3]{%s}",
        ),
        *(r"\log_{2} %s", r"\left(%s\right)^2", r"-\frac{%s}{7}\cdot %s", r"\binom{6}{2}+%s"),
    )
    whole = random.choice(wholes)
    return whole % tuple(formula(random, random.randrange(depth)) for _ in range(whole.count("%s")))


@pytest.mark.slow
@pytest.mark.timing
def test_mathematics_takes_at_most_five_milliseconds_an_answer() -> None:
    random = Random(3407)
    answers = [f"The answer is \\boxed{{\\sqrt{{{formula(random, 2)}}}}}." for _ in range(600)]
    said({"name": "numeric", "value": 1}, "\\boxed{\\sqrt{3}}")  # the library
    taken = []
    for answer in answers:
        start = time.perf_counter()
        said({"name": "numeric", "value": 1}, answer)
        taken.append(1000 * (time.perf_counter() - start))
    mean, (*_, p95) = statistics.fmean(taken), statistics.quantiles(taken, n=20)
    print(f"{mean:.2f} ms an answer, p95 {p95:.1f}, slowest {max(taken):.0f}")
    assert mean < 5  # of 600 nested formulas that no two are alike; docs/log.md says what single ones take


@pytest.mark.slow
def test_a_formula_is_worked_out_and_one_that_takes_for_ever_is_wrong() -> None:
    assert said({"name": "numeric", "value": 4}, "The answer is $\\sqrt{16}$.") == 1
    assert said({"name": "numeric", "value": 6}, "\\boxed{\\binom{4}{2}}") == 1
    assert said({"name": "numeric", "value": 6}, "\\boxed{9^{9^{9^{9}}}}") == 0
    assert said({"name": "numeric", "value": 0.5}, "\\boxed{\\frac{\\sqrt{9}}{6}}") == 1
