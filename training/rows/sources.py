"""Rows of one source of a configuration, from wherever they come."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

from data.files import sha256_of
from data.records import did_you_mean
from training.config import Config, RowSource, TrainingError
from training.rows.files import Placed, rows_in
from training.rows.from_hub import from_hub
from training.rows.reasoning_tasks import generate, read_tasks
from training.rows.replay import replay_file
from training.run_directory import RUNS


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
            raw, provenance = from_hub(where, source)
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


def _from_file(where: str, path: Path) -> tuple[Iterator[Placed], dict[str, Any]]:
    if not path.is_file():
        raise TrainingError(f"{where}.path is {str(path)!r}: no such file")
    provenance = {"from": path.name, "sha256": sha256_of(path), "licence": "not stated"}
    return rows_in(where, path), provenance


def _from_reasoning_gym(where: str, source: RowSource) -> tuple[Iterator[Placed], dict[str, Any]]:
    order: dict[str, Any] = {
        "tasks": source.tasks,
        "items_per_task": source.items_per_task,
        "first_seed": source.first_seed,
    }
    if source.path:
        tasks = read_tasks(Path(source.path))
        for name in set(source.without) - set(tasks.tasks):
            guess = did_you_mean(name, tasks.tasks)
            raise TrainingError(f"{where}.without names {name!r}, which is no task of {source.path}{guess}")
        order = {
            "tasks": {name: settings for name, settings in tasks.tasks.items() if name not in source.without},
            "items_per_task": source.items_per_task or tasks.train_items,
            "first_seed": tasks.train_first_seed,
        }
    try:
        rows = generate(**order)
    except TrainingError as error:
        raise TrainingError(f"{where}: {error}") from None
    placed = ((f"item {number}", row) for number, row in enumerate(rows, start=1))
    return placed, {"from": f"reasoning-gym {version('reasoning-gym')}", "licence": "Apache-2.0", **order}
