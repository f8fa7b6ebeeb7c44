from typing import Any

import pytest

from training.config import RowSource, TrainingError
from training.rows.conversations import form_of, messages_of

FILE = RowSource(kind="file", path="rows.jsonl")
HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def converted(row: dict[str, Any], source: RowSource = FILE) -> list[dict[str, str]] | None:
    return messages_of(row, form_of(list(row), source, "data.sources.rows"), source)


@pytest.mark.parametrize(
    "row",
    [
        {"messages": HELLO},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"conversations": [{"from": "Human", "value": " Hi "}, {"from": "model", "value": "Hello\n"}], "score": 5.2},
        {"prompt": "Hi", "completion": "Hello"},
        {"prompt": HELLO[:1], "completion": HELLO[1:]},
        {"question": "Hi", "answer": "Hello"},
        {"instruction": "Hi", "input": "", "output": "Hello"},
    ],
    ids=["messages", "ShareGPT", "ShareGPT with spaces", "prompt", "prompt of turns", "question", "alpaca"],
)
def test_every_common_form_becomes_the_same_messages(row: dict[str, Any]) -> None:
    assert converted(row) == HELLO


def test_an_instruction_with_an_input_is_asked_with_it() -> None:
    found = converted({"instruction": "Add.", "input": "1 2", "output": "3"})
    assert found is not None
    assert found[0]["content"] == "Add.\n\n1 2"


def test_turns_after_the_last_answer_are_left_out() -> None:
    assert converted({"messages": [*HELLO, {"role": "user", "content": "And you?"}]}) == HELLO


def test_columns_can_be_named() -> None:
    source = RowSource(kind="file", path="x", prompt_column="ask", answer_column="say")
    assert converted({"ask": "Hi", "say": "Hello", "messages": []}, source) == HELLO


def test_a_system_message_is_put_before_rows_that_have_none() -> None:
    source = RowSource(kind="file", path="x", system="Be brief.")
    system, other = ({"role": "system", "content": text} for text in ("Be brief.", "Be rude."))
    assert converted({"messages": HELLO}, source) == [system, *HELLO]
    assert converted({"messages": [other, *HELLO]}, source) == [other, *HELLO]


def test_replacements_change_answers_alone() -> None:
    source = RowSource(kind="file", path="x", replace=(("<<[^>]*>>", ""), ("#### (.*)", r"The answer is \1.")))
    found = converted({"question": "<<1>>?", "answer": "1<<1=1>>\n#### 1"}, source)
    assert found is not None
    assert [turn["content"] for turn in found] == ["<<1>>?", "1\nThe answer is 1."]


@pytest.mark.parametrize(
    "turns",
    [
        [],
        "Hi",
        None,
        ["Hi", "Hello"],
        HELLO[:1],
        HELLO[1:],
        [*HELLO, *HELLO[1:]],
        [HELLO[0], *HELLO],
        [{"role": "user", "content": " "}, HELLO[1]],
        [HELLO[0], {"role": "assistant", "content": ""}],
        [HELLO[0], {"role": "assistant", "content": None}],
        [{"role": "tool", "content": "Hi"}, HELLO[1]],
        [HELLO[0], {"role": "system", "content": "x"}, HELLO[1]],
        [{"content": "Hi"}, HELLO[1]],
    ],
)
def test_what_is_no_conversation_is_left_out(turns: Any) -> None:
    assert converted({"messages": turns}) is None


@pytest.mark.parametrize("answer", [None, 5, ""])
def test_a_question_without_a_text_for_an_answer_is_left_out(answer: Any) -> None:
    assert converted({"question": "Hi", "answer": answer}) is None


def test_unknown_columns_are_listed_with_the_known_forms() -> None:
    with pytest.raises(TrainingError) as caught:
        form_of(["text", "label"], FILE, "data.sources.rows")
    assert str(caught.value) == (
        "data.sources.rows: no conversation found; columns: text, label; known: messages, conversations, "
        "prompt/completion, question/answer, instruction/output; or set prompt_column and answer_column"
    )


def test_a_named_column_that_is_missing_is_said_with_those_that_are_there() -> None:
    source = RowSource(kind="file", path="x", prompt_column="ask", answer_column="say")
    with pytest.raises(TrainingError, match=r"data\.sources\.rows: no column 'say'; columns: ask, reply"):
        form_of(["ask", "reply"], source, "data.sources.rows")
