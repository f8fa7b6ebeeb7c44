import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import SuiteError
from data.suites.multiple_choice import load_choices

ARC = {
    "id": "Mercury_1",
    "question": "Which is a metal?",
    "choices": {"text": ["iron", "wood", "air"], "label": ["1", "2", "3"]},
    "answerKey": "2",
}
HELLASWAG = {
    "activity_label": "Baking",
    "ctx_a": "[header] A man kneads dough. [title] Then",
    "ctx_b": "he lets it  rest.",
    "endings": ["He waits [substeps] an hour.", " It flies away."],
    "label": "0",
}
MMLU = {"subject": "high_school_physics", "question": " What falls? ", "choices": list("wxyz"), "answer": 3}


def suite(path: Path, *rows: Any) -> str:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


@pytest.mark.parametrize(
    ("name", "row", "beginning", "choices", "right"),
    [
        ("arc_challenge", ARC, "Question: Which is a metal?\nAnswer:", ("iron", "wood", "air"), 1),
        (
            "hellaswag",
            HELLASWAG,
            "Baking: A man kneads dough.. Then He lets it rest.",
            ("He waits an hour.", "It flies away."),
            0,
        ),
        (
            "mmlu",
            MMLU,
            "The following are multiple choice questions (with answers) about high school physics.\n\n"
            "What falls?\nA. w\nB. x\nC. y\nD. z\nAnswer:",
            ("A", "B", "C", "D"),
            3,
        ),
    ],
)
def test_rows_of_the_hub_are_worded_as_lm_eval_words_them(
    tmp_path: Path, name: str, row: Any, beginning: str, choices: tuple[str, ...], right: int
) -> None:
    found = load_choices(f"{name}:{suite(tmp_path / 'rows.jsonl', row)}")
    (question,) = found.questions
    assert found.name == name
    assert (question.beginning, question.choices, question.right) == (beginning, choices, right)


def test_a_file_of_ones_own_is_numbered_and_another_wording_is_another_suite(tmp_path: Path) -> None:
    own = {"beginning": "Red is a", "choices": ["colour", "sound"], "right": 0}
    first = load_choices(suite(tmp_path / "own.jsonl", own, own, {**own, "id": "last", "kind": "odd"}))
    assert [(each.id, each.kind) for each in first.questions] == [("1", "choice"), ("2", "choice"), ("last", "odd")]
    second = load_choices(suite(tmp_path / "own.jsonl", {**own, "beginning": "Red is  a"}))
    assert first.name == second.name == "own" and first.sha256 != second.sha256


def test_a_question_may_hold_what_other_programs_end_lines_with(tmp_path: Path) -> None:
    own = {"beginning": "Red\u2028is a", "choices": ["colour\x85", "sound"], "right": 0}
    found = load_choices(suite(tmp_path / "own.jsonl", json.dumps(own, ensure_ascii=False)))
    assert found.questions[0].beginning == "Red\u2028is a"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"choices": ["a", "b"], "right": 0}, "line 1: missing beginning"),
        ({"beginning": " ", "choices": ["a", "b"], "right": 0}, "line 1: beginning is empty"),
        ({"beginning": "x", "choices": ["a"], "right": 0}, "choices must be two texts or more"),
        ({"beginning": "x", "choices": ["a", ""], "right": 0}, "choices must be two texts or more"),
        ({"beginning": "x", "choices": ["a", "b"], "right": 2}, "right is 2; the choices are counted from 0 to 1"),
        ({"beginning": "x", "choices": ["a", "b"], "right": "A"}, "right is 'A'; expected"),
        ({"beginning": "x", "choices": ["a", "b"], "right": 0, "answer": 1}, "unknown key 'answer'"),
        ("[1]", "line 1"),
        ("{", "line 1"),
        ("", "no question in it"),
    ],
)
def test_a_line_that_is_no_question_is_one_line(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        load_choices(suite(tmp_path / "own.jsonl", row))
    assert "\n" not in str(caught.value)


def test_what_cannot_be_read_names_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"unknown suite 'helaswag'; known: arc_challenge, .*did you mean 'hellaswag'"):
        load_choices("helaswag")
    with pytest.raises(SuiteError, match="cannot be read"):
        load_choices(str(tmp_path / "none.jsonl"))
    with pytest.raises(SuiteError, match=r"line 1: not a row of this suite \(KeyError: 'question'\)"):
        load_choices(f"arc_challenge:{suite(tmp_path / 'rows.jsonl', {'id': 'x'})}")
    doubled = {"id": "x", "beginning": "x", "choices": ["a", "b"], "right": 0}
    with pytest.raises(SuiteError, match="two questions with the id 'x'"):
        load_choices(suite(tmp_path / "own.jsonl", doubled, doubled))
