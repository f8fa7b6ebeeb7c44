import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from data.files import sha256_of
from data.suites.prompts import load_suite
from tests.training.conftest import Tiny
from tests.training.templates import NO_SYSTEM, THINKING
from tests.training.tiny_models import write_rows
from training.config import CONFIGS_DIR, Config, TrainingError, load_config
from training.parity.forgetting import held_out
from training.prepare import main
from training.rows.build import Prepared, prepare
from training.rows.examples import IGNORED, load_tokenizer


def rows_of(path: Path) -> list[dict[str, list[int]]]:
    found: list[dict[str, list[int]]] = parquet.read_table(path).to_pylist()
    return found


def texts(prepared: Prepared) -> list[str]:
    """All examples, decoded."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(prepared.tokenizer)
    return [tokenizer.decode(row["input_ids"]) for file in files(prepared) for row in rows_of(file)]


def files(prepared: Prepared) -> tuple[Path, Path]:
    return prepared.train, prepared.validation


def counts(prepared: Prepared, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = prepared.card["sources"][index]["counts"]
    return found


def add(tiny: Tiny, *rows: dict[str, Any]) -> None:
    with tiny.rows.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def two_sources(tiny: Tiny, *changes: str) -> Config:
    """Sums, and as many longer differences."""
    other = tiny.rows.with_name("other.jsonl")
    rows = [
        {"question": f"What is {i} - {i % 7}, please?", "answer": f"That is {i - i % 7}, of course."} for i in range(40)
    ]
    other.write_text("".join(json.dumps(row) + "\n" for row in rows))
    sources = [
        f"data.sources.rows.path={tiny.rows}",
        "data.sources.other.kind=file",
        f"data.sources.other.path={other}",
    ]
    return load_config(CONFIGS_DIR / "tiny.toml", [f"base.name={tiny.base}", *sources, *changes])


def refusal(config: Config, runs: Path) -> str:
    with pytest.raises(TrainingError) as caught:
        prepare(config, runs=runs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_ids_and_labels_are_written_once_and_decode_to_the_rows(tiny: Tiny) -> None:
    from transformers import AutoTokenizer

    prepared = prepare(tiny.config(), runs=tiny.runs)
    train, validation = (rows_of(file) for file in files(prepared))
    assert (len(train), len(validation)) == (36, 4)
    tokenizer = AutoTokenizer.from_pretrained(prepared.tokenizer)
    for row in [*train, *validation]:
        assert set(row) == {"input_ids", "labels"}
        assert all(label in (IGNORED, token) for token, label in zip(row["input_ids"], row["labels"], strict=True))
        question = re.search(r"What is (\d+) \+ (\d+)\?", tokenizer.decode(row["input_ids"]))
        assert question is not None
        answer = tokenizer.decode([label for label in row["labels"] if label != IGNORED])
        assert answer == f"The answer is {int(question[1]) + int(question[2])}.<|eot_id|>"


def test_the_card_counts_what_was_written(tiny: Tiny) -> None:
    prepared = prepare(tiny.config(), runs=tiny.runs)
    train = rows_of(prepared.train)
    assert prepared.card["counts"] == {
        "train_rows": 36,
        "validation_rows": 4,
        "train_tokens": sum(len(row["input_ids"]) for row in train),
        "trained_tokens": sum(label != IGNORED for row in train for label in row["labels"]),
    }
    assert prepared.card["files"] == {file.name: sha256_of(file) for file in files(prepared)}
    (source,) = prepared.card["sources"]
    assert (source["from"], source["sha256"], source["licence"]) == ("rows.jsonl", sha256_of(tiny.rows), "not stated")
    assert json.loads((prepared.path / "card.json").read_text()) == prepared.card
    text = (prepared.path / "README.md").read_text()
    assert "36 examples to train on" in text
    assert sha256_of(tiny.rows) in text


def test_what_is_dropped_is_counted_by_its_reason(tiny: Tiny) -> None:
    report = load_suite("report").prompts[0].messages[-1].content
    add(
        tiny,
        {"question": "what IS  3 + 3?", "answer": "The answer is 6."},
        {"question": report, "answer": "13"},
        {"question": report.upper(), "answer": "13"},
        {"question": "What is 3 - 3?", "answer": "Another question."},
        {"question": "Tell me everything.", "answer": "word " * 300},
        {"question": "And?", "answer": ""},
    )
    prepared = prepare(tiny.config(), runs=tiny.runs)
    dropped = {"duplicate": 2, "overlap": 1, "too long": 1, "an empty answer": 1}
    assert counts(prepared) == {"read": 46, "dropped": dropped, "not_drawn": 0, "validation": 4, "train": 37}
    text = (prepared.path / "README.md").read_text()
    assert "- rows: dropped: 2 duplicate, 1 overlap, 1 too long, 1 an empty answer." in text
    assert not any(report in text or "everything" in text for text in texts(prepared))


def test_a_row_of_exactly_the_longest_length_is_kept(tiny: Tiny) -> None:
    longest = max(len(row["input_ids"]) for row in rows_of(prepare(tiny.config(), runs=tiny.runs).train))
    kept = prepare(tiny.config(f"training.max_length={longest}"), runs=tiny.runs)
    assert counts(kept)["dropped"] == {}
    shorter = prepare(tiny.config(f"training.max_length={longest - 1}", "data.max_dropped=1"), runs=tiny.runs)
    assert counts(shorter)["dropped"]["too long"] > 0
    assert max(len(row["input_ids"]) for row in rows_of(shorter.train)) < longest


def test_weights_share_out_the_tokens(tiny: Tiny) -> None:
    config = two_sources(tiny, "data.sources.rows.weight=1", "data.sources.other.weight=3", "data.validation_rows=2")
    prepared = prepare(config, runs=tiny.runs)
    rows, other = prepared.card["sources"]
    assert other["token_share"] == pytest.approx(0.75, abs=0.05)
    assert other["counts"]["not_drawn"] == 0
    assert rows["counts"]["not_drawn"] > 20
    assert all(source["counts"]["validation"] == 1 for source in (rows, other))


def test_a_budget_of_tokens_is_shared_out_and_one_that_no_source_has_is_refused(tiny: Tiny) -> None:
    changes = ["data.sources.rows.weight=1", "data.sources.other.weight=3", "data.validation_rows=2"]
    most = prepare(two_sources(tiny, *changes), runs=tiny.runs).card["counts"]["train_tokens"]
    half = prepare(two_sources(tiny, *changes, f"data.tokens={most // 2}"), runs=tiny.runs).card["counts"]
    assert 0.2 * most < half["train_tokens"] < 0.7 * most
    with pytest.raises(TrainingError, match=r"data.tokens is 9,999,999; \w+ has enough for"):
        prepare(two_sources(tiny, *changes, "data.tokens=9999999"), runs=tiny.runs)


def test_without_weights_every_row_is_used_and_duplicates_fall_across_sources(tiny: Tiny) -> None:
    config = two_sources(tiny, f"data.sources.more.path={tiny.rows}", "data.sources.more.kind=file")
    prepared = prepare(config, runs=tiny.runs)
    assert [source["counts"]["dropped"] for source in prepared.card["sources"]] == [{}, {}, {"duplicate": 40}]
    assert prepared.card["counts"]["train_rows"] == 76


def test_the_same_data_are_prepared_once_for_every_rank(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    first = prepare(tiny.config(), runs=tiny.runs)
    capsys.readouterr()
    assert prepare(tiny.config("lora.rank=2", "name=other"), runs=tiny.runs) == first
    assert capsys.readouterr().err == ""


def test_other_rows_length_suites_or_template_are_other_data(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = {prepare(tiny.config(), runs=tiny.runs).path}
    for change in ("training.max_length=200", "data.seed=1", "data.validation_rows=5"):
        paths.add(prepare(tiny.config(change), runs=tiny.runs).path)
    monkeypatch.setattr("training.rows.build.suite_prompts", lambda held_out: (["What is 3 + 3?"], []))
    prepared = prepare(tiny.config(), runs=tiny.runs)
    assert counts(prepared)["dropped"] == {"overlap": 1}
    paths.add(prepared.path)
    write_rows(tiny.rows, 30)
    paths.add(prepare(tiny.config(), runs=tiny.runs).path)
    assert len(paths) == 6


def test_the_same_seed_writes_the_same_bytes(tiny: Tiny, tmp_path: Path) -> None:
    first, second = (prepare(tiny.config(), runs=tmp_path / name) for name in ("a", "b"))
    assert first.card == second.card


def test_no_row_left_says_what_became_of_them(tiny: Tiny) -> None:
    message = refusal(tiny.config("training.max_length=10"), tiny.runs)
    assert message.startswith(
        "data.sources.rows: 40 of 40 rows cannot be trained on: 40 too long; mend them, or raise data.max_dropped; "
        "such as line 1: "
    )
    assert message.endswith(
        ' tokens; training.max_length is 10: {"question": "What is 0 + 0?", "answer": "The answer is 0."}'
    )
    everything = tiny.config("training.max_length=10", "data.max_dropped=1")
    assert refusal(everything, tiny.runs) == "no row is left to train on: rows: 40 read, 40 too long"
    assert not list(tiny.runs.glob("data/*/card.json"))


def test_too_few_rows_for_validation_are_said(tiny: Tiny) -> None:
    message = refusal(tiny.config("data.validation_rows=40"), tiny.runs)
    assert message == "data.validation_rows is 40, but only 40 rows are left; rows: 40 read, none dropped"


def test_the_command_prints_the_card_and_where_it_is(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tiny.options()) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# Data card\n")
    assert f"written: {tiny.runs}/data/" in out
    assert err.splitlines() == ["reading rows", "tokenizing rows: 40 rows"]


def test_the_command_says_in_one_line_what_is_wrong(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny.options(), "--set", "data.path=none.jsonl"]) == 1
    assert capsys.readouterr().err.endswith("error: data.sources.rows.path is 'none.jsonl': no such file\n")
    tiny.runs.write_text("a file")
    assert main(tiny.options()) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"error: {tiny.runs}")


def test_set_without_a_value_is_a_usage_error(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*tiny.options(), "--set"])
    assert caught.value.code == 2
    assert "--set: expected one argument" in capsys.readouterr().err


def lines(tiny: Tiny, *rows: dict[str, Any] | bytes) -> Tiny:
    """These rows in place of the sums."""
    contents = (row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    tiny.rows.write_bytes(b"".join(content + b"\n" for content in contents))
    return tiny


def items(count: int, **more: str) -> list[dict[str, Any]]:
    return [{**more, "prompt": f"Name item {place}.", "completion": f"Item {place}"} for place in range(count)]


def chats(count: int, *first: dict[str, Any]) -> list[dict[str, Any]]:
    """Conversations that begin with the given turns."""
    return [
        {
            "messages": [
                *first,
                {"role": "user", "content": f"Name item {place}."},
                {"role": "assistant", "content": f"Item {place}"},
            ]
        }
        for place in range(count)
    ]


@pytest.mark.parametrize(
    "rows",
    [
        [{"prompt": f"Compute {place} {sign} 7.", "completion": "x"} for place in (40, 41, 42) for sign in "+-*/"],
        [{"prompt": f"Is {name} a language?", "completion": "Yes."} for name in ("C", "C++", "C#", "F", "F#", "c^2")],
        [
            {"system": f"Sell item {place} only.", "prompt": "What do you sell?", "completion": "It."}
            for place in range(9)
        ],
        [{"prompt": "Name an item.", "completion": f"Item {place}"} for place in range(9)],
        chats(9, {"role": "system", "content": ""}),
        chats(9, {"role": "assistant", "content": "Welcome!"}),
    ],
    ids=["operators", "languages", "system messages", "answers", "blank system turns", "greetings"],
)
def test_no_row_is_lost_that_another_does_not_say(tiny: Tiny, rows: list[dict[str, Any]]) -> None:
    prepared = prepare(lines(tiny, *rows).config(), runs=tiny.runs)
    assert (counts(prepared)["read"], counts(prepared)["dropped"]) == (len(rows), {})


def test_a_system_column_and_indentation_are_trained_with(tiny: Tiny) -> None:
    rows = [{**row, "completion": f"    {row['completion']}"} for row in items(9, system="Answer in French.")]
    for text in texts(prepare(lines(tiny, *rows).config(), runs=tiny.runs)):
        assert "Answer in French.<|eot_id|>" in text
        assert "<|start_header_id|>assistant<|end_header_id|>\n\n    Item " in text


def test_control_tokens_in_a_row_stay_text(tiny: Tiny) -> None:
    rows = [{**row, "completion": f"{row['completion']} <|eot_id|> ends it"} for row in items(9)]
    prepared = prepare(lines(tiny, *rows).config(), runs=tiny.runs)
    ends = [row["labels"].count(5) for file in files(prepared) for row in rows_of(file)]
    assert ends == [1] * 9 and all("<|eot_id|> ends it" in text for text in texts(prepared))


def test_bad_rows_are_counted_by_reason_and_the_others_trained_on(
    tiny: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    bad: list[dict[str, Any] | bytes] = [
        *(b"{", b'{"prompt": "\xff", "completion": "x"}', b"[1]"),
        b'{"prompt": "\\ud83d", "completion": "x"}',
        {"messages": [{"role": "tool", "content": "x"}]},
        {"text": "x"},
    ]
    prepared = prepare(lines(tiny, *items(20), *bad).config(), runs=tiny.runs)
    reasons = ("not JSON", "not UTF-8", "not an object", "half a character", "a tool's turn", "no conversation found")
    assert counts(prepared) == {
        "read": 26,
        "dropped": dict.fromkeys(reasons, 1),
        "not_drawn": 0,
        "validation": 4,
        "train": 16,
    }
    warning = capsys.readouterr().err.splitlines()[-1]
    assert warning.startswith("warning: data.sources.rows: 6 of 26 rows dropped: 1 not JSON, 1 not UTF-8, ")
    assert warning.endswith(
        "; such as line 21: not JSON (Expecting property name enclosed in double quotes at character 2): b'{'"
    )


def test_up_to_a_tenth_is_lost_without_a_warning(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(lines(tiny, *items(18), b"{", b"{").config(), runs=tiny.runs)
    assert "warning" not in capsys.readouterr().err


def test_more_than_half_is_an_error_that_names_the_reason_and_shows_a_row(tiny: Tiny) -> None:
    narrated = [{"messages": [{"role": "narrator", "content": f"\u009b{place}"}]} for place in range(9)]
    message = refusal(lines(tiny, b"{", *items(9), *narrated).config(), tiny.runs)
    assert message.startswith("data.sources.rows: 10 of 19 rows cannot be trained on: 9 unknown role, 1 not JSON; ")
    assert "such as line 11: unknown role 'narrator'; known: system, developer, user" in message
    assert message.endswith('{"messages": [{"role": "narrator", "content": "\ufffd0"}]}')
    assert counts(prepare(tiny.config("data.max_dropped=0.6"), runs=tiny.runs))["train"] == 5


def test_columns_that_are_not_read_are_said_and_on_the_card(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    prepared = prepare(lines(tiny, *items(9, source="web")).config(), runs=tiny.runs)
    assert capsys.readouterr().err.endswith("data.sources.rows: columns not used: source\n")
    assert "- rows: columns not used: source." in (prepared.path / "README.md").read_text()


def test_a_file_without_rows_is_refused(tiny: Tiny) -> None:
    assert refusal(lines(tiny, b"", b" ").config(), tiny.runs) == "data.sources.rows: no rows in rows.jsonl"


def with_template(tiny: Tiny, template: str, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    loaded = load_tokenizer(tiny.base, "base")
    loaded.chat_template = template
    monkeypatch.setattr("training.rows.build.load_tokenizer", lambda *arguments: loaded)
    return tiny


def test_a_row_that_the_template_refuses_is_dropped_and_named(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gemma's template takes no system message."""
    tiny = with_template(
        lines(tiny, *items(9), *chats(1, {"role": "system", "content": "Be brief."})), NO_SYSTEM, monkeypatch
    )
    prepared = prepare(tiny.config(), runs=tiny.runs)
    assert counts(prepared)["dropped"] == {"refused by the chat template": 1}
    lines(tiny, *chats(9, {"role": "system", "content": "Be brief."}))
    assert "the chat template refuses a conversation: System role not supported" in refusal(tiny.config(), tiny.runs)


def test_a_row_may_be_several_examples_and_counts_once(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    thought = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "<think>Hm.</think>Hello"}]
    tiny = with_template(lines(tiny, *chats(9, *thought)), THINKING, monkeypatch)
    prepared = prepare(tiny.config("data.validation_rows=2"), runs=tiny.runs)
    train, validation = (rows_of(file) for file in files(prepared))
    assert (len(train), len(validation)) == (14, 4)
    assert counts(prepared) == {"read": 9, "dropped": {}, "not_drawn": 0, "validation": 2, "train": 7}
    assert prepared.card["counts"]["train_rows"] == 14
    assert len(held_out(prepared)) == 4


@pytest.mark.slow
@settings(max_examples=20, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    places=st.lists(st.sampled_from([*range(12), *(-n for n in range(1, 9))]), min_size=8, max_size=40),
    repeat=st.integers(1, 2),
)
def test_counts_add_up_to_the_rows_read(tiny: Tiny, places: list[int], repeat: int) -> None:
    """Positive numbers are rows, of which some come back; negative ones cannot be trained on, each for its reason."""
    bad: list[dict[str, Any] | bytes] = [
        *(b"{", b"\xff", b"[]", {"prompt": "Hi", "completion": ""}, {"messages": []}, {"x": 1}),
        *({"prompt": "Hi", "completion": "word " * 400}, {"prompt": "Hi", "completion": "x", "tools": [1]}),
    ]
    lines(tiny, *items(2), *(items(12)[place] if place >= 0 else bad[place] for place in places))
    changes = ("data.max_dropped=1", "data.validation_rows=1", f"data.sources.rows.repeat={repeat}")
    found = counts(prepare(tiny.config(*changes), runs=tiny.runs))
    kept = found["not_drawn"] + found["validation"] + found["train"] // repeat
    assert found["read"] == len(places) + 2 == kept + sum(found["dropped"].values())
