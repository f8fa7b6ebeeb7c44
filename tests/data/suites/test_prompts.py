import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from data.errors import SuiteError
from data.suites.prompts import PROMPTS_DIR, Prompt, balanced, load_suite, shipped_suites

LINE: dict[str, Any] = {
    "id": "a",
    "kind": "arithmetic",
    "prompt": "What is 1 + 1?",
    "grader": {"name": "numeric", "value": 2},
    "max_tokens": 8,
    "right": "2",
    "wrong": "3",
}


def write(path: Path, *lines: dict[str, Any] | str) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LINE.items() if name != key}


def test_a_line_becomes_a_prompt_with_its_system_turn(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path / "mine.jsonl", {**LINE, "system": "Be brief."}, "", {**LINE, "id": "b"}))
    assert suite.name == "mine"
    assert [prompt.id for prompt in suite.prompts] == ["a", "b"]
    assert [turn.role for turn in suite.prompts[0].messages] == ["system", "user"]
    assert suite.prompts[1].text == "What is 1 + 1?"


def test_a_conversation_can_be_given_as_messages(tmp_path: Path) -> None:
    turns = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "1 + 1?"},
    ]
    suite = load_suite(write(tmp_path / "mine.jsonl", {**without("prompt"), "messages": turns}))
    assert suite.prompts[0].text == "1 + 1?"
    assert len(suite.prompts[0].messages) == 3


def test_the_digest_is_of_the_bytes_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", LINE)
    assert load_suite(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_line_separator_inside_a_text_does_not_split_the_line(tmp_path: Path) -> None:
    suite = load_suite(write(tmp_path / "mine.jsonl", {**LINE, "prompt": "one\u2028two"}))
    assert suite.prompts[0].text == "one\u2028two"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('{"id": "a",', "not JSON"),
        ("[1, 2]", "a JSON list"),
        ("[" * 100_000, "nested too deeply"),
        (LINE, "'a' is used before"),
        ({**LINE, "id": "b", "promt": "x"}, "unknown key 'promt'; known keys: id, kind, prompt"),
        ({**LINE, "id": "b", "promt": "x"}, "did you mean 'prompt'?"),
        (without("grader"), "missing grader"),
        (without("prompt"), "either 'prompt' or 'messages'"),
        ({**LINE, "messages": []}, "and not both"),
        ({**without("prompt"), "messages": [], "id": "b"}, "messages is not a list of turns"),
        ({**without("prompt"), "messages": [{"role": "user"}]}, "exactly 'role' and 'content'"),
        ({**without("prompt"), "messages": [{"role": "robot", "content": "x"}]}, "unknown role 'robot'"),
        ({**without("prompt"), "messages": [{"role": "assistant", "content": "x"}]}, "must be the user's"),
        ({**without("prompt"), "messages": [{"role": "user", "content": "x"}], "system": "y"}, "first turn"),
        ({**LINE, "prompt": "  "}, "prompt is empty"),
        ({**LINE, "kind": 3}, "kind is 3; expected text"),
        ({**LINE, "max_tokens": 0}, "max_tokens is 0"),
        ({**LINE, "max_tokens": True}, "max_tokens is True"),
        ({**LINE, "grader": "numeric"}, "grader is not an object with a name"),
    ],
)
def test_a_malformed_line_is_named_by_file_and_number(tmp_path: Path, line: dict[str, Any] | str, wanted: str) -> None:
    path = write(tmp_path / "mine.jsonl", LINE, line)
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    message = str(caught.value)
    assert message.startswith(f"{path}, line 2: ")
    assert wanted in message
    assert "\n" not in message


def test_files_that_hold_no_suite_are_refused_in_one_line(tmp_path: Path) -> None:
    empty, binary = tmp_path / "empty.jsonl", tmp_path / "binary.jsonl"
    empty.write_text("\n")
    binary.write_bytes(b"\xff\xfe")
    for name, wanted in (
        (str(empty), "no prompt in it"),
        (str(binary), "not UTF-8"),
        (str(tmp_path / "none.jsonl"), "no such file"),
        ("cores", "unknown suite 'cores'; known: core, hard, reasoning, report"),
    ):
        with pytest.raises(SuiteError, match=wanted):
            load_suite(name)


def prompts(*kinds: str) -> list[Prompt]:
    one = load_suite("report").prompts[0]
    return [dataclasses.replace(one, id=f"{kind}{place}", kind=kind) for place, kind in enumerate(kinds)]


def test_a_limit_takes_prompts_in_turn_from_each_kind() -> None:
    some = prompts("a", "a", "a", "b", "b", "c")
    assert [prompt.id for prompt in balanced(some, 4)] == ["a0", "a1", "b3", "c5"]
    assert len(balanced(some, None)) == len(balanced(some, 100)) == 6
    assert [prompt.id for prompt in balanced(some, None, ["b"])] == ["b3", "b4"]


@pytest.mark.parametrize("name", shipped_suites())
def test_the_data_card_gives_the_digest_and_count_of_every_shipped_suite(name: str) -> None:
    suite = load_suite(name)
    card = (PROMPTS_DIR / "README.md").read_text()
    assert f"| `{name}.jsonl` | {len(suite.prompts)} | `{suite.sha256}` |" in card


@pytest.mark.parametrize("name", ["core", "hard"])
def test_a_suite_made_by_hand_has_enough_prompts_of_each_kind_and_few_of_one_template(name: str) -> None:
    suite = load_suite(name)
    card = (PROMPTS_DIR / "README.md").read_text()
    assert len(suite.prompts) >= 240
    assert len(suite.kinds) >= 8
    for kind in suite.kinds:
        members = [prompt for prompt in suite.prompts if prompt.kind == kind]
        templates = [prompt.template for prompt in members if prompt.template]
        assert len(members) >= 30, kind
        assert max(map(templates.count, templates)) <= len(members) / 10, kind
        assert f"| {kind} | {len(members)} |" in card


def test_no_two_shipped_prompts_ask_the_same() -> None:
    texts = [
        " ".join(prompt.text.casefold().split()) for name in shipped_suites() for prompt in load_suite(name).prompts
    ]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("name", shipped_suites())
def test_no_limit_of_a_shipped_suite_decides(name: str) -> None:
    assert min(prompt.max_tokens for prompt in load_suite(name).prompts) >= 256


def test_the_core_suite_is_quick_to_read() -> None:
    for prompt in load_suite("core").prompts:
        assert len(prompt.text) <= 700, prompt.id


def test_a_prompt_without_a_limit_has_room(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.jsonl", without("max_tokens"))
    assert load_suite(path).prompts[0].max_tokens == 512


def test_the_report_suite_asks_the_two_questions_of_the_report_verbatim() -> None:
    assert [prompt.text for prompt in load_suite("report").prompts] == [
        "Continue the fibonnaci sequence: 1, 1, 2, 3, 5, 8,",
        "Describe a tall tower in the capital of France.",
    ]
