import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.config import RowSource
from training.rows.conversations import Conversation, Messages, UnusableRow, conversation_of

FILE = RowSource(kind="file", path="rows.jsonl")
HELLO = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
SYSTEM = {"role": "system", "content": "Be brief."}
ASK, SAY = HELLO


def read(row: dict[str, Any], source: RowSource = FILE) -> Conversation:
    return conversation_of(row, source)


def converted(row: dict[str, Any], source: RowSource = FILE) -> Messages:
    return read(row, source).messages


def refusal(row: dict[str, Any], source: RowSource = FILE) -> UnusableRow:
    with pytest.raises(UnusableRow) as caught:
        read(row, source)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    "row",
    [
        {"messages": HELLO},
        {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]},
        {"conversations": [{"from": "Human", "value": " Hi "}, {"from": "model", "value": "Hello\n"}], "score": 5.2},
        {"prompt": "Hi", "completion": "Hello"},
        {"prompt": HELLO[:1], "completion": HELLO[1:]},
        {"prompt": HELLO[:1], "completion": "Hello"},
        {"prompt": "Hi", "completion": HELLO[1:]},
        {"question": "Hi", "answer": "Hello"},
        {"query": "Hi", "response": "Hello"},
        {"input": "Hi", "output": "Hello"},
        {"Question": "Hi", "ANSWER": "Hello"},
        {"Messages": HELLO},
        {"problem": "Hi", "solution": "Hello"},
        {"user": "Hi", "assistant": "Hello"},
        {"instruction": "Hi", "input": "", "output": "Hello"},
        {"instruction": "", "input": "Hi", "output": "Hello"},
        {"instruction": "Hi", "input": math.nan, "output": "Hello"},
        {"instruction": "Hi", "context": None, "response": "Hello", "category": "open_qa"},
        {"prompt": "Hi", "prompt_id": "f0", "messages": HELLO},
        {"messages": None, "prompt": "Hi", "completion": "Hello"},
        {"messages": [{**ASK, "tool_calls": None, "name": ""}, {**SAY, "weight": 1}], "tools": []},
        {"messages": json.dumps(HELLO), "tools": "[]"},
        {"conversations": {"from": ["human", "gpt"], "value": ["Hi", "Hello"]}},
        {"data": ["Hi", "Hello"]},
        {"data": "2026-11-24", "chat": "7", "question": "Hi", "answer": "Hello"},
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}, {"role": "model", "parts": [{"text": "Hello"}]}]},
        {"messages": [{**ASK, "content": [{"type": "text", "text": "Hi", "image": None}]}, SAY]},
    ],
)
def test_every_common_form_becomes_the_same_messages(row: dict[str, Any]) -> None:
    assert converted(row) == HELLO


@pytest.mark.parametrize("column", ["input", "context"])
@pytest.mark.parametrize("pair", [("instruction", "output"), ("question", "answer"), ("prompt", "completion")])
def test_what_belongs_to_a_question_is_asked_with_it(column: str, pair: tuple[str, str]) -> None:
    assert converted({pair[0]: "Add.", column: "1 2", pair[1]: 3}) == [
        {"role": "user", "content": "Add.\n\n1 2"},
        {"role": "assistant", "content": "3"},
    ]


@pytest.mark.parametrize("column", ["system", "system_prompt", "system_message"])
def test_a_system_column_is_the_system_message(column: str) -> None:
    row = {column: SYSTEM["content"], "question": "Hi", "answer": "Hello"}
    assert converted(row) == converted({column: SYSTEM["content"], "messages": HELLO}) == [SYSTEM, *HELLO]
    assert converted({**row, column: " "}) == HELLO
    assert converted({column: SYSTEM["content"], "messages": [SYSTEM, *HELLO]}) == [SYSTEM, *HELLO]
    both = converted({column: "In French.", "messages": [SYSTEM, *HELLO]})
    assert both[0]["content"] == "In French.\n\nBe brief."


@pytest.mark.parametrize("name", ["tools", "functions", "documents", "history", "images"])
def test_a_column_that_an_answer_depends_on_is_refused_by_name(name: str) -> None:
    row = {"messages": HELLO, name: [{"name": "search"}]}
    assert refusal(row).reason == f"the column {name!r}"
    assert converted(row, RowSource(kind="file", path="x", ignore_columns=(name,))) == HELLO


def test_a_context_beside_messages_is_refused_by_name() -> None:
    assert "beside messages, the column 'context' is not trained on" in str(
        refusal({"messages": HELLO, "context": "x"})
    )


def test_columns_that_are_not_read_are_named() -> None:
    assert read({"question": "Hi", "answer": "Hello", "score": 5, "note": "", "id": "a"}).unused == ("score", "id")


@pytest.mark.parametrize(
    ("names", "role"),
    [
        (("system", "developer"), "system"),
        (("human", "Human", "prompter"), "user"),
        (("gpt", "model", "bot"), "assistant"),
    ],
)
def test_roles_of_the_usual_dialects_are_known(names: tuple[str, ...], role: str) -> None:
    for name in names:
        turns = [{"role": name, "content": "x"} if turn["role"] == role else turn for turn in (SYSTEM, *HELLO)]
        assert [turn["role"] for turn in converted({"messages": turns})] == ["system", "user", "assistant"]


def test_parts_of_text_are_joined() -> None:
    parts = [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]
    assert converted({"messages": [{**ASK, "content": parts}, SAY]})[0]["content"] == "One.\nTwo."


def test_blank_system_turns_are_left_out_and_several_joined() -> None:
    blank = read({"messages": [{**SYSTEM, "content": " "}, *HELLO]})
    assert (blank.messages, blank.changes) == (HELLO, ("blank system turn left out",))
    two = [SYSTEM, {"role": "developer", "content": "In French."}]
    assert converted({"messages": [*two, *HELLO]})[0]["content"] == "Be brief.\n\nIn French."


def test_a_greeting_may_come_first() -> None:
    turns = [{"role": "assistant", "content": "Welcome!"}, *HELLO]
    assert converted({"messages": turns}) == turns


def test_indentation_is_kept_and_blank_lines_around_a_text_are_not() -> None:
    row = {"prompt": "\n\tif x:\n\t\t...\n", "completion": "  \n    return 0\n\n"}
    assert [turn["content"] for turn in converted(row)] == ["\tif x:\n\t\t...", "    return 0"]
    source = RowSource(kind="file", path="x", replace=(("0", "1\n"),))
    assert converted(row, source)[1]["content"] == "    return 1"


def test_turns_after_the_last_answer_are_left_out_and_that_is_noted() -> None:
    found = read({"messages": [*HELLO, {"role": "user", "content": "And you?"}]})
    assert (found.messages, found.changes) == (HELLO, ("last turn without an answer left out",))


def test_names_of_speakers_are_left_out_and_that_is_noted() -> None:
    found = read({"messages": [{**ASK, "name": "zoe"}, SAY]})
    assert (found.messages, found.changes) == (HELLO, ("names of speakers left out",))


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
    assert [turn["content"] for turn in found] == ["<<1>>?", "1\nThe answer is 1."]


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([], "not a list of turns"),
        ("Hi", "not a list of turns"),
        (None, "not a list of turns"),
        (5, "not a list of turns"),
        (["Hi", *HELLO], "a turn without role and content"),
        (["Hi"], "no answer"),
        (HELLO[:1], "no answer"),
        ([SYSTEM], "no answer"),
        (HELLO[1:], "no question"),
        ([*HELLO, SAY], "two turns of one side in a row"),
        ([ASK, *HELLO], "two turns of one side in a row"),
        ([{**ASK, "content": " "}, SAY], "a blank turn"),
        ([{**SAY, "content": "\n"}, *HELLO], "a blank turn"),
        ([ASK, {**SAY, "content": ""}], "an empty answer"),
        ([ASK, {**SAY, "content": None}], "an empty answer"),
        ([ASK, {"role": "assistant"}], "an empty answer"),
        ([ASK, {**SAY, "content": None, "tool_calls": [{"id": "1"}]}], "in a turn, 'tool_calls'"),
        ([ASK, {**SAY, "function_call": {"name": "f"}}], "in a turn, 'function_call'"),
        ([ASK, {**SAY, "reasoning_content": "Hm."}], "in a turn, 'reasoning_content'"),
        ([ASK, {**SAY, "weight": 0}], "an answer not to train on"),
        ([*HELLO, {"role": "tool", "content": "{}"}, SAY], "a tool's turn"),
        ([*HELLO, {"from": "observation", "value": "{}"}, SAY], "a tool's turn"),
        ([*HELLO, {"role": "function", "content": "{}", "name": "f"}, SAY], "a tool's turn"),
        ([{"role": "narrator", "content": "Hi"}, SAY], "unknown role"),
        ([{"content": "Hi"}, SAY], "unknown role"),
        ([ASK, SYSTEM, SAY], "a system turn in the middle"),
        ([{**ASK, "content": [{"type": "image_url", "image_url": {}}]}, SAY], "content that is no text"),
        ([{**ASK, "content": {"a": 1}}, SAY], "content that is no text"),
        ([{**ASK, "content": True}, SAY], "content that is no text"),
    ],
)
def test_what_cannot_be_trained_on_is_named(turns: Any, reason: str) -> None:
    assert refusal({"messages": turns}).reason == reason


@pytest.mark.parametrize("answer", [None, "", " \n", math.nan])
def test_a_question_without_an_answer_is_named(answer: Any) -> None:
    assert refusal({"question": "Hi", "answer": answer}).reason == "an empty answer"


def test_numbers_are_read_as_they_are_written() -> None:
    assert [converted({"question": "Hi", "answer": each})[1]["content"] for each in (5, 0, 2.5, -1)] == [
        *("5", "0", "2.5", "-1")
    ]


def test_a_text_of_json_stays_a_text() -> None:
    answer = '[{"name": "Zoë"}]'
    assert converted({"question": "Who?", "answer": answer})[1]["content"] == answer


def test_unknown_columns_are_listed_with_the_known_forms() -> None:
    error = refusal({"text": "x", "label": 1})
    assert error.reason == "no conversation found"
    assert str(error).startswith(
        "no conversation found; columns: text, label; known: messages, conversations, conversation, "
    )
    assert "prompt/completion" in str(error) and str(error).endswith("or set prompt_column and answer_column")


def test_a_named_column_that_is_missing_is_said_with_those_that_are_there() -> None:
    source = RowSource(kind="file", path="x", prompt_column="ask", answer_column="say")
    assert str(refusal({"ask": "Hi", "reply": "Hello"}, source)) == "no column 'say'; columns: ask, reply"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["user", "gpt", "Hi"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "from", "content", "value", "type", "text", "name"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
COLUMNS = (
    "messages",
    "conversations",
    "prompt",
    "completion",
    "question",
    "answer",
    "system",
    "context",
    "tools",
    "id",
)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from(COLUMNS), ANYTHING, max_size=4))
def test_any_row_is_a_conversation_or_has_a_reason(row: dict[str, Any]) -> None:
    try:
        turns = converted(row)
    except UnusableRow as error:
        assert error.reason and "\n" not in error.reason
    else:
        assert turns[-1]["role"] == "assistant" and all(turn["content"].strip() for turn in turns)


def test_a_column_counts_whatever_its_case_unless_two_are_called_alike() -> None:
    row = {"System": "Be brief.", "Question": "Hi", "Answer": "Hello"}
    assert converted(row) == [SYSTEM, *HELLO]
    assert read({"question": "Hi", "answer": "Hello", "Answer": "Bye"}).unused == ("Answer",)
    named = RowSource(kind="file", path="rows.jsonl", prompt_column="Input", answer_column="Output")
    assert converted({"Input": "Hi", "Output": "Hello"}, named) == HELLO


def test_a_choice_among_what_the_model_would_not_see_is_refused() -> None:
    assert "'choices'" in str(refusal({"question": "Hi", "choices": ["Hello", "Bye"], "answer": 0}))
