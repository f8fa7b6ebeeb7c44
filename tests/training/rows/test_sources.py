import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.hub import COMMIT, Hub, Repo
from training.config import CONFIGS_DIR, RowSource, TrainingError, load_config
from training.rows.conversations import Messages, UnusableRow, conversation_of
from training.rows.replay import prompts_of
from training.rows.sources import Rows, read_source

ROWS = [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(5)]
REPO = "datasets/me/rows"


def read(source: RowSource, *changes: str) -> Rows:
    return read_source("mine", source, load_config(CONFIGS_DIR / "tiny.toml", changes))


def conversations(source: RowSource, *changes: str) -> list[Messages]:
    found = []
    for _, row in read(source, *changes).placed:
        assert not isinstance(row, UnusableRow)
        found.append(conversation_of(row, source).messages)
    return found


def lost(source: RowSource) -> list[str]:
    """Place and reason of each row that cannot be read."""
    return [f"{place}: {row}" for place, row in read(source).placed if isinstance(row, UnusableRow)]


def refusal(source: RowSource, *changes: str) -> str:
    with pytest.raises(TrainingError) as caught:
        list(read(source, *changes).placed)
    message = str(caught.value)
    assert message.startswith("data.sources.mine")
    assert "\n" not in message
    return message


def jsonl(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def file(path: Path, content: bytes) -> RowSource:
    path.write_bytes(content)
    return RowSource(kind="file", path=str(path))


@pytest.fixture
def dataset(datasets_hub: Hub) -> Repo:
    """A dataset on the loopback Hub, where both clients look."""

    datasets_hub.repos[REPO] = Repo(files={"train.jsonl": jsonl(ROWS), "README.md": b"# Rows"})
    return datasets_hub.repos[REPO]


def test_jsonl_and_parquet_give_the_same_conversations(tmp_path: Path) -> None:
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    source = file(tmp_path / "rows.jsonl", jsonl(ROWS))
    from_parquet = conversations(RowSource(kind="file", path=str(tmp_path / "rows.parquet")))
    assert conversations(source) == from_parquet
    assert [turns[0]["content"] for turns in from_parquet] == [row["question"] for row in ROWS]
    provenance = read(source).provenance
    assert (provenance["from"], len(provenance["sha256"])) == ("rows.jsonl", 64)


def test_sharegpt_is_read_from_parquet_too(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    parquet.write_table(pa.Table.from_pylist([{"conversations": turns, "score": 1.5}]), tmp_path / "rows.parquet")
    found = conversations(RowSource(kind="file", path=str(tmp_path / "rows.parquet")))
    assert found == [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]]


def test_empty_lines_are_skipped_and_places_are_lines(tmp_path: Path) -> None:
    content = jsonl(ROWS[:1]) + b"\n  \r\n" + jsonl(ROWS[1:2])
    assert list(read(file(tmp_path / "rows.jsonl", content)).placed) == [("line 1", ROWS[0]), ("line 4", ROWS[1])]


def test_a_byte_order_mark_and_a_json_array_are_read_too(tmp_path: Path) -> None:
    expected = conversations(file(tmp_path / "rows.jsonl", jsonl(ROWS)))
    mark = b"\xef\xbb\xbf"
    assert conversations(file(tmp_path / "marked.jsonl", mark + jsonl(ROWS))) == expected
    array = file(tmp_path / "rows.json", mark + json.dumps(ROWS, indent=1).encode())
    assert conversations(array) == expected
    assert next(read(array).placed)[0] == "entry 1"
    late = file(tmp_path / "late.json", mark + b"\n  " + json.dumps(ROWS, indent=1).encode())
    assert conversations(late) == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"question": ', "not JSON (Expecting value at character 13): b'{\"question\":'"),
        (b"[1]", "expected an object"),
        (b'{"question": "\xff"}', 'byte 14 of the line is not UTF-8: b\'{"question": "\\xff"}\''),
        (b'{"question": "\\ud83d"}', "half a character, \\ud83d; write the whole, or leave it out"),
        (b"[" * 200_000, "not JSON (nested too deeply): b'" + "[" * 80 + "'"),
    ],
    ids=["cut off", "no object", "a bad byte", "half a character", "too deep"],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, reason: str) -> None:
    source = file(tmp_path / "rows.jsonl", jsonl(ROWS[:2]) + line + b"\n" + jsonl(ROWS[2:]))
    assert lost(source) == [f"line 3: {reason}"]
    assert len(list(read(source).placed)) == 6


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.rows.jsonl.MOST_BYTES", 1000)
    source = file(tmp_path / "rows.jsonl", b'{"question": "' + b"x" * 5000 + b'"}\n' + jsonl(ROWS))
    assert lost(source) == ["line 1: more than 1,000 bytes"]
    assert len(list(read(source).placed)) == 6


def test_a_text_of_parquet_that_is_no_text_costs_its_row_alone(tmp_path: Path) -> None:
    bad = pa.array([b"fine", b"\xed\xa0\xbd", b"fine too"]).cast(pa.binary()).view(pa.string())
    table = pa.table({"question": pa.array(["a", "b", "c"]), "answer": bad})
    parquet.write_table(table, tmp_path / "rows.parquet")
    source = RowSource(kind="file", path=str(tmp_path / "rows.parquet"))
    (only,) = lost(source)
    assert only.startswith("row 2: not UTF-8 (")
    assert [place for place, row in read(source).placed if not isinstance(row, UnusableRow)] == ["row 1", "row 3"]


def test_a_limit_counts_rows_as_they_come(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert len(conversations(RowSource(kind="file", path=path, limit=2))) == 2


def test_data_path_stands_in_for_the_only_source(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert len(conversations(RowSource(kind="hub", name="me/rows"), f"data.path={path}")) == 5


def test_a_licence_can_be_stated(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert read(RowSource(kind="file", path=path)).provenance["licence"] == "not stated"
    assert read(RowSource(kind="file", path=path, licence="CC0-1.0")).provenance["licence"] == "CC0-1.0"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.jsonl", json.dumps(ROWS[0]).encode("utf-16"), "rows.jsonl: UTF-16; save the file as UTF-8"),
        (
            "rows.CSV",
            b"question,answer\n",
            "rows.CSV: rows are read from JSON Lines and Parquet; write one JSON object a",
        ),
    ],
)
def test_a_file_of_another_form_is_one_line(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    assert message in refusal(file(tmp_path / name, content))


def test_what_is_no_file_or_no_parquet_is_said(tmp_path: Path) -> None:
    assert refusal(RowSource(kind="file", path="none.jsonl")) == "data.sources.mine.path is 'none.jsonl': no such file"
    assert "no such file" in refusal(RowSource(kind="file", path=str(tmp_path)))
    assert "not Parquet (" in refusal(file(tmp_path / "rows.parquet", jsonl(ROWS)))


def test_a_dataset_of_the_hub_comes_with_its_commit(dataset: Repo) -> None:
    source = RowSource(kind="hub", name="me/rows")
    assert [turns[1]["content"] for turns in conversations(source)] == [row["answer"] for row in ROWS]
    rows = read(source)
    expected = {"from": "me/rows", "split": "train", "revision": COMMIT, "licence": "not stated"}
    assert rows.provenance == expected


def test_a_replays_questions_can_be_those_of_a_dataset_of_the_hub(dataset: Repo) -> None:
    source = RowSource(kind="replay", prompts=("hub:me/rows",), limit=2)
    assert list(prompts_of("mine", source)) == [row["question"] for row in ROWS[:2]]
    missing = RowSource(kind="replay", prompts=("hub:me/other",))
    with pytest.raises(TrainingError, match=r"data.sources.mine.prompts: no dataset 'me/other'"):
        list(prompts_of("mine", missing))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "me/rows cannot be loaded (Unknown split \"dev\". Should be one of ['train'].)"),
        ({"revision": "v9"}, "me/rows has no revision 'v9'; see https://huggingface.co/datasets/me/rows"),
    ],
)
def test_a_split_or_revision_that_is_not_there_is_named(dataset: Repo, options: dict[str, str], message: str) -> None:
    assert message in refusal(RowSource(kind="hub", name="me/rows", **options))  # type: ignore[arg-type]


def test_a_dataset_that_may_not_be_read_says_how_to_get_access(dataset: Repo) -> None:
    dataset.access = "gated"
    message = refusal(RowSource(kind="hub", name="me/rows"))
    assert "me/rows is gated: ask for access at https://huggingface.co/datasets/me/rows, then set HF_TOKEN" in message
    assert "no dataset 'me/other' that may be read; check " in refusal(RowSource(kind="hub", name="me/other"))


@pytest.mark.slow
def test_generated_tasks_are_rows_that_name_their_generator_and_seeds() -> None:
    source = RowSource(kind="reasoning_gym", tasks={"chain_sum": {"min_terms": 2}}, items_per_task=3, first_seed=7)
    rows = read(source)
    assert [len(turns) for turns in conversations(source)] == [2, 2, 2]
    assert rows.provenance["from"].startswith("reasoning-gym ")
    assert rows.provenance["first_seed"] == 7


@pytest.mark.slow
def test_an_unknown_task_is_one_line() -> None:
    message = refusal(RowSource(kind="reasoning_gym", tasks={"chain_sums": {}}, items_per_task=1))
    assert "unknown reasoning_gym task 'chain_sums'; did you mean 'chain_sum'" in message


@pytest.mark.slow
def test_tasks_of_a_file_can_be_left_out_of_training(tmp_path: Path) -> None:
    path = tmp_path / "tasks.toml"
    path.write_text(
        "train_first_seed = 1\ntrain_items = 2\nheld_out_first_seed = 9\nheld_out_items = 1\n"
        "[tasks.chain_sum]\n[tasks.gcd]\n"
    )
    rows = read(RowSource(kind="reasoning_gym", path=str(path), without=("gcd",)))
    assert list(rows.provenance["tasks"]) == ["chain_sum"] and len(list(rows.placed)) == 2
    message = refusal(RowSource(kind="reasoning_gym", path=str(path), without=("gcds",)))
    assert f"without names 'gcds', which is no task of {path}; did you mean 'gcd'" in message
