"""Rows of one source of a configuration, from wherever they come."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.files import sha256_of
from data.hub.address import host
from data.hub.network import check_access
from training.config import Config, RowSource, TrainingError
from training.rows.conversations import Messages, form_of, messages_of
from training.rows.jsonl import json_rows
from training.rows.reasoning_tasks import generate, read_tasks
from training.rows.replay import replay_file


@dataclass(kw_only=True)
class Rows:
    """Conversations of a source, and where they are from.

    Attributes:
        unusable: Rows that are not a conversation.
        provenance: For the data card: repository and commit, or file and sha256, and the licence.
    """

    conversations: list[Messages]
    unusable: int
    provenance: dict[str, Any] = field(default_factory=dict)


def read_source(name: str, source: RowSource, config: Config) -> Rows:
    """Read a source in its own order.

    Raises:
        TrainingError: It cannot be had, has no rows, or columns are missing; one line.
    """
    where = f"data.sources.{name}"
    if config.data.path:
        source = _local(source, config.data.path)
    elif source.path and source.kind == "hub":
        source = _local(source, source.path)
    match source.kind:
        case "hub":
            raw, provenance = _from_hub(where, source)
        case "file":
            raw, provenance = _from_file(where, Path(source.path))
        case "reasoning_gym":
            raw, provenance = _from_reasoning_gym(where, source)
        case _:
            path = replay_file(name, source, config)
            raw, provenance = _from_file(where, path)
    return _converted(where, source, raw, provenance)


def _local(source: RowSource, path: str) -> RowSource:
    from dataclasses import replace

    return replace(source, kind="file", path=path)


def _converted(where: str, source: RowSource, raw: Iterable[Mapping[str, Any]], provenance: dict[str, Any]) -> Rows:
    conversations: list[Messages] = []
    unusable = 0
    form: tuple[str, ...] | None = None
    for index, row in enumerate(raw):
        if source.limit and index >= source.limit:
            break
        form = form or form_of(list(row), source, where)
        messages = messages_of(row, form, source)
        if messages is None:
            unusable += 1
        else:
            conversations.append(messages)
    if form is None:
        raise TrainingError(f"{where}: no rows in {provenance.get('from', 'it')}")
    if source.licence:
        provenance["licence"] = source.licence
    return Rows(conversations=conversations, unusable=unusable, provenance=provenance)


def _from_hub(where: str, source: RowSource) -> tuple[Iterable[Mapping[str, Any]], dict[str, Any]]:
    from datasets import load_dataset
    from huggingface_hub import HfApi, errors

    check_access()
    page = f"https://huggingface.co/datasets/{source.name}"
    try:
        info = HfApi(endpoint=host()).dataset_info(source.name, revision=source.revision or None)
        rows = load_dataset(source.name, source.subset or None, split=source.split, revision=info.sha)
    except errors.GatedRepoError:
        raise TrainingError(f"{where}: {source.name} is gated: ask for access at {page}, then set HF_TOKEN") from None
    except errors.RepositoryNotFoundError:
        raise TrainingError(
            f"{where}: no dataset {source.name!r} that may be read; check {page}, or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise TrainingError(f"{where}: {source.name} has no revision {source.revision!r}; see {page}") from None
    except Exception as error:  # datasets raises many kinds, of its builders too
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"{where}: {source.name} cannot be loaded ({reason}); see {page}") from None
    licence = info.card_data.get("license") if info.card_data else None
    provenance = {"from": source.name, "split": source.split, "revision": info.sha, "licence": licence or "not stated"}
    return rows, provenance


def _from_file(where: str, path: Path) -> tuple[Iterable[Mapping[str, Any]], dict[str, Any]]:
    if not path.is_file():
        raise TrainingError(f"{where}.path is {str(path)!r}: no such file")
    provenance = {"from": path.name, "sha256": sha256_of(path), "licence": "not stated"}
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(where, path), provenance
    return json_rows(where, path), provenance


def _parquet_rows(where: str, path: Path) -> Iterator[Mapping[str, Any]]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches():
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise TrainingError(f"{where}: {path}: not Parquet ({' '.join(str(error).split())[:200]})") from None


def _from_reasoning_gym(where: str, source: RowSource) -> tuple[Iterable[Mapping[str, Any]], dict[str, Any]]:
    from importlib.metadata import version

    order: dict[str, Any] = {
        "tasks": source.tasks,
        "items_per_task": source.items_per_task,
        "first_seed": source.first_seed,
    }
    if source.path:
        tasks = read_tasks(Path(source.path))
        order = {
            "tasks": tasks.tasks,
            "items_per_task": source.items_per_task or tasks.train_items,
            "first_seed": tasks.train_first_seed,
        }
    try:
        rows = generate(**order)
    except TrainingError as error:
        raise TrainingError(f"{where}: {error}") from None
    return rows, {"from": f"reasoning-gym {version('reasoning-gym')}", "licence": "Apache-2.0", **order}
