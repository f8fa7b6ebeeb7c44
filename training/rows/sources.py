"""Rows of one source of a configuration, from wherever they come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from data.files import sha256_of
from data.hub.address import host
from data.hub.network import check_access
from training.config import Config, RowSource, TrainingError
from training.rows.conversations import UnusableRow
from training.rows.jsonl import Row, json_rows
from training.rows.reasoning_tasks import generate, read_tasks
from training.rows.replay import replay_file
from training.run_directory import RUNS

Placed = tuple[str, Row]
"""A row's place, such as "line 3", and the row, or why it cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A source that is read row by row.

    Attributes:
        placed: The rows, once; errors of the whole source are raised on the way.
        provenance: For the data card: repository and commit, or file and sha256, and the licence.
    """

    placed: Iterator[Placed]
    provenance: dict[str, Any]


def read_source(name: str, source: RowSource, config: Config, *, runs: Path = RUNS) -> Rows:
    """A source in its own order; `runs` has what the base was asked to answer.

    Raises:
        TrainingError: It cannot be had; one line.
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
            path = replay_file(name, source, config, runs=runs)
            raw, provenance = _from_file(where, path)
    if source.licence:
        provenance["licence"] = source.licence
    return Rows(placed=islice(raw, source.limit or None), provenance=provenance)


def _local(source: RowSource, path: str) -> RowSource:
    return replace(source, kind="file", path=path)


def _from_hub(where: str, source: RowSource) -> tuple[Iterator[Placed], dict[str, Any]]:
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
    return _placed(rows.data.to_batches()), provenance


def _from_file(where: str, path: Path) -> tuple[Iterator[Placed], dict[str, Any]]:
    if not path.is_file():
        raise TrainingError(f"{where}.path is {str(path)!r}: no such file")
    provenance = {"from": path.name, "sha256": sha256_of(path), "licence": "not stated"}
    if path.suffix.lower() in (".csv", ".tsv"):
        raise TrainingError(f"{where}: {path}: rows are read from JSON Lines and Parquet; write one JSON object a row")
    if path.suffix.lower() == ".parquet":
        return _parquet_rows(where, path), provenance
    return json_rows(where, path), provenance


def _parquet_rows(where: str, path: Path) -> Iterator[Placed]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from _placed(file.iter_batches(batch_size=1000))
    except (pa.ArrowException, OSError) as error:
        raise TrainingError(f"{where}: {path}: not Parquet ({' '.join(str(error).split())[:200]})") from None


def _placed(batches: Iterable[Any]) -> Iterator[Placed]:
    """Rows of Arrow's record batches."""
    rows = (row for batch in batches for row in _listed(batch))
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _listed(batch: Any) -> list[Row]:
    try:
        rows: list[Row] = batch.to_pylist()
    except ValueError as error:  # Arrow does not look into its texts before they are asked for
        if batch.num_rows == 1:
            reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "a value that cannot be read"
            return [UnusableRow(reason, f"{reason} ({' '.join(str(error).split())[:200]})")]
        return [row for place in range(batch.num_rows) for row in _listed(batch.slice(place, 1))]
    return rows


def _from_reasoning_gym(where: str, source: RowSource) -> tuple[Iterator[Placed], dict[str, Any]]:
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
    placed = ((f"item {number}", row) for number, row in enumerate(rows, start=1))
    return placed, {"from": f"reasoning-gym {version('reasoning-gym')}", "licence": "Apache-2.0", **order}
