import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.hub import COMMIT, Hub, Repo
from training.config import CONFIGS_DIR, RowSource, TrainingError, load_config
from training.rows.sources import Rows, read_source

ROWS = [{"question": f"What is {i}?", "answer": f"It is {i}."} for i in range(5)]
REPO = "datasets/me/rows"


def read(source: RowSource, *changes: str) -> Rows:
    return read_source("mine", source, load_config(CONFIGS_DIR / "tiny.toml", changes))


def refusal(source: RowSource, *changes: str) -> str:
    with pytest.raises(TrainingError) as caught:
        read(source, *changes)
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
    from_json = read(file(tmp_path / "rows.jsonl", jsonl(ROWS)))
    from_parquet = read(RowSource(kind="file", path=str(tmp_path / "rows.parquet")))
    assert from_json.conversations == from_parquet.conversations
    assert [turns[0]["content"] for turns in from_json.conversations] == [row["question"] for row in ROWS]
    assert from_json.provenance["from"] == "rows.jsonl"
    assert len(from_json.provenance["sha256"]) == 64


def test_sharegpt_is_read_from_parquet_too(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    parquet.write_table(pa.Table.from_pylist([{"conversations": turns, "score": 1.5}]), tmp_path / "rows.parquet")
    found = read(RowSource(kind="file", path=str(tmp_path / "rows.parquet"))).conversations
    assert found == [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]]


def test_empty_lines_are_skipped_and_unusable_rows_counted(tmp_path: Path) -> None:
    content = jsonl(ROWS[:1]) + b"\n  \n" + jsonl([{"question": "Hi", "answer": None}, *ROWS[1:2]])
    rows = read(file(tmp_path / "rows.jsonl", content))
    assert (len(rows.conversations), rows.unusable) == (2, 1)


def test_a_limit_counts_rows_as_they_come(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert len(read(RowSource(kind="file", path=path, limit=2)).conversations) == 2


def test_data_path_stands_in_for_the_only_source(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert len(read(RowSource(kind="hub", name="me/rows"), f"data.path={path}").conversations) == 5


def test_a_licence_can_be_stated(tmp_path: Path) -> None:
    path = file(tmp_path / "rows.jsonl", jsonl(ROWS)).path
    assert read(RowSource(kind="file", path=path)).provenance["licence"] == "not stated"
    assert read(RowSource(kind="file", path=path, licence="CC0-1.0")).provenance["licence"] == "CC0-1.0"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (jsonl(ROWS[:2]) + b'{"question": \n', "line 3: not JSON ("),
        (jsonl(ROWS[:2]) + b"[1]\n", "line 3: expected an object"),
        (b'{"question": "\xff"}\n', "not UTF-8"),
        (b"\n", "no rows in rows.jsonl"),
        (jsonl([{"text": "Hi"}]), "no conversation found; columns: text; known: messages, conversations, "),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line_that_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(file(tmp_path / "rows.jsonl", content))


def test_what_is_no_file_or_no_parquet_is_said(tmp_path: Path) -> None:
    assert refusal(RowSource(kind="file", path="none.jsonl")) == "data.sources.mine.path is 'none.jsonl': no such file"
    assert "no such file" in refusal(RowSource(kind="file", path=str(tmp_path)))
    assert "not Parquet (" in refusal(file(tmp_path / "rows.parquet", jsonl(ROWS)))


def test_a_dataset_of_the_hub_comes_with_its_commit(dataset: Repo) -> None:
    rows = read(RowSource(kind="hub", name="me/rows"))
    assert [turns[1]["content"] for turns in rows.conversations] == [row["answer"] for row in ROWS]
    expected = {"from": "me/rows", "split": "train", "revision": COMMIT, "licence": "not stated"}
    assert rows.provenance == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "me/rows cannot be loaded (Unknown split \"dev\". Should be one of ['train'].)"),
        ({"revision": "v9"}, "me/rows has no revision 'v9'; see https://huggingface.co/datasets/me/rows"),
        ({"prompt_column": "ask", "answer_column": "answer"}, "no column 'ask'; columns: question, answer"),
    ],
)
def test_a_split_revision_or_column_that_is_not_there_is_named(
    dataset: Repo, options: dict[str, str], message: str
) -> None:
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
    assert [len(turns) for turns in rows.conversations] == [2, 2, 2]
    assert rows.provenance["from"].startswith("reasoning-gym ")
    assert rows.provenance["first_seed"] == 7


@pytest.mark.slow
def test_an_unknown_task_is_one_line() -> None:
    message = refusal(RowSource(kind="reasoning_gym", tasks={"chain_sums": {}}, items_per_task=1))
    assert "unknown reasoning_gym task 'chain_sums'; did you mean 'chain_sum'" in message
