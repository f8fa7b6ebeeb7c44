"""Generate reasoning_gym items: an order as JSON on stdin, one JSON row a line on stdout.

    PYTHONHASHSEED=0 python -m training.rows.reasoning_tasks < order.json

An order: {"tasks": {"chain_sum": {"max_terms": 3}}, "items_per_task": 100, "first_seed": 0}. Item i of a task is drawn
with seed first_seed + i, so two orders share nothing where their ranges of seeds are apart; small tasks still repeat
questions, which prepare removes by text. Arithmetic is answered with its work shown.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.paths import python_path
from data.records import build, did_you_mean, read_toml
from training.config import TrainingError
from training.rows.worked_answers import worked


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """What a tasks file says: settings by task, and the seeds of training and held-out items."""

    tasks: Mapping[str, Mapping[str, Any]]
    train_first_seed: int
    train_items: int
    held_out_first_seed: int
    held_out_items: int


def read_tasks(path: Path) -> Tasks:
    """Read a tasks file.

    Raises:
        TrainingError: Not readable, wrong keys, or ranges of seeds that overlap.
    """
    values = read_toml(path, TrainingError)
    try:
        tasks = build(Tasks, values, TrainingError)
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from None
    first, second = sorted(
        [(tasks.train_first_seed, tasks.train_items), (tasks.held_out_first_seed, tasks.held_out_items)]
    )
    if first[0] + first[1] > second[0]:
        raise TrainingError(f"{path}: the seeds of training and held-out items overlap")
    return tasks


def generate(tasks: Mapping[str, Mapping[str, Any]], *, items_per_task: int, first_seed: int) -> list[dict[str, str]]:
    """Rows with task, question, answer and result, made in a process of its own.

    Some tasks walk over sets, so their items depend on PYTHONHASHSEED, which must be set before Python starts.

    Raises:
        TrainingError: Unknown task, or settings that it does not take.
    """
    order = {"tasks": tasks, "items_per_task": items_per_task, "first_seed": first_seed}
    child = subprocess.run(
        [sys.executable, "-m", "training.rows.reasoning_tasks"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": python_path()},
    )
    if child.returncode:
        raise TrainingError((child.stderr.strip().splitlines() or ["reasoning_gym said nothing"])[-1])
    return [json.loads(line) for line in child.stdout.splitlines() if line.startswith("{")]


def items(tasks: Mapping[str, Mapping[str, Any]], *, items_per_task: int, first_seed: int) -> Iterator[dict[str, str]]:
    """Rows, task by task; see `generate`."""
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    for name, settings in tasks.items():
        if name not in DATASETS:
            raise TrainingError(f"unknown reasoning_gym task {name!r}{did_you_mean(name, DATASETS, most=3)}")
        try:
            task = reasoning_gym.create_dataset(name, size=items_per_task, seed=first_seed, **settings)
        except (TypeError, AssertionError, ValueError) as error:
            raise TrainingError(f"task {name!r} does not take {dict(settings)}: {error}") from None
        for index in range(items_per_task):
            item = task[index]
            if item["answer"] is None:
                continue
            question, answer = worked(name, item) or (item["question"].strip(), str(item["answer"]))
            yield {"task": name, "question": question, "answer": answer, "result": str(item["answer"])}


def main() -> int:
    try:
        order = json.loads(sys.stdin.read())
        for row in items(order["tasks"], items_per_task=order["items_per_task"], first_seed=order["first_seed"]):
            print(json.dumps(row))
    except (TrainingError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
