import json
import re
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from data.files import sha256_of
from data.suites.prompts import load_suite
from tests.training.conftest import Tiny
from tests.training.tiny_llama import write_rows
from training.config import CONFIGS_DIR, Config, TrainingError, load_config
from training.prepare import main
from training.rows.build import Prepared, prepare
from training.rows.examples import IGNORED


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


def counts(prepared: Prepared, index: int = 0) -> dict[str, int]:
    found: dict[str, int] = prepared.card["sources"][index]["counts"]
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
        {"question": "what IS 3 + 3", "answer": "Again six."},
        {"question": report, "answer": "13"},
        {"question": report.upper(), "answer": "13"},
        {"question": "Tell me everything.", "answer": "word " * 300},
        {"question": "And?", "answer": ""},
    )
    prepared = prepare(tiny.config(), runs=tiny.runs)
    expected = {"not_a_conversation": 1, "too_long": 1, "duplicate": 2, "overlap": 1, "validation": 4, "train": 36}
    assert counts(prepared) == {"read": 45, "not_drawn": 0, **expected}
    assert not any(report in text or "everything" in text for text in texts(prepared))


def test_a_row_of_exactly_the_longest_length_is_kept(tiny: Tiny) -> None:
    longest = max(len(row["input_ids"]) for row in rows_of(prepare(tiny.config(), runs=tiny.runs).train))
    kept = prepare(tiny.config(f"training.max_length={longest}"), runs=tiny.runs)
    assert counts(kept)["too_long"] == 0
    shorter = prepare(tiny.config(f"training.max_length={longest - 1}"), runs=tiny.runs)
    assert counts(shorter)["too_long"] > 0
    assert max(len(row["input_ids"]) for row in rows_of(shorter.train)) < longest


def test_weights_share_out_the_tokens(tiny: Tiny) -> None:
    config = two_sources(tiny, "data.sources.rows.weight=1", "data.sources.other.weight=3", "data.validation_rows=2")
    prepared = prepare(config, runs=tiny.runs)
    rows, other = prepared.card["sources"]
    assert other["token_share"] == pytest.approx(0.75, abs=0.05)
    assert other["counts"]["not_drawn"] == 0
    assert rows["counts"]["not_drawn"] > 20
    assert all(source["counts"]["validation"] == 1 for source in (rows, other))


def test_without_weights_every_row_is_used_and_duplicates_fall_across_sources(tiny: Tiny) -> None:
    config = two_sources(tiny, f"data.sources.more.path={tiny.rows}", "data.sources.more.kind=file")
    prepared = prepare(config, runs=tiny.runs)
    assert [source["counts"]["duplicate"] for source in prepared.card["sources"]] == [0, 0, 40]
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
    assert counts(prepared)["overlap"] == 1
    paths.add(prepared.path)
    write_rows(tiny.rows, 30)
    paths.add(prepare(tiny.config(), runs=tiny.runs).path)
    assert len(paths) == 6


def test_the_same_seed_writes_the_same_bytes(tiny: Tiny, tmp_path: Path) -> None:
    first, second = (prepare(tiny.config(), runs=tmp_path / name) for name in ("a", "b"))
    assert first.card == second.card


def test_no_row_left_says_what_became_of_them(tiny: Tiny) -> None:
    assert refusal(tiny.config("training.max_length=10"), tiny.runs) == (
        "no row is left to train on: rows: 40 read, 40 too long"
    )
    assert not list(tiny.runs.glob("data/*/card.json"))


def test_too_few_rows_for_validation_are_said(tiny: Tiny) -> None:
    message = refusal(tiny.config("data.validation_rows=40"), tiny.runs)
    assert message == "data.validation_rows is 40, but only 40 rows are left; rows: 40 read, none dropped"


def test_the_command_prints_the_card_and_where_it_is(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tiny.options()) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# Data card\n")
    assert f"written: {tiny.runs}/data/" in out
    assert err.splitlines() == ["reading rows", "tokenizing rows: 40/40"]


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
