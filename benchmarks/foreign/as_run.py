"""Logs of other tools as one run of ours, so that everything which reads runs compares their models."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.foreign.harness import is_samples, read_samples
from benchmarks.foreign.inspect_log import read_eval
from benchmarks.foreign.log import Answer, Log, LogError
from benchmarks.runs.read import MANIFEST_NAME, SCHEMA_VERSION, Row, Run, read_run
from benchmarks.runs.write import RunWriter, write_manifest
from data.records import shown

_SEED = 0


def read_log(given: str, *, metric: str | None, wanted_filter: str | None) -> Log:
    """A log, by its path or as NAME=PATH, which gives its model a name.

    Raises:
        LogError: It cannot be read, or is none of the two tools'.
    """
    name, path = _named(given)
    if not path.is_file():
        raise LogError(f"{path}: no such file")
    if path.suffix == ".eval":
        log = read_eval(path, metric=metric)
    elif is_samples(path):
        log = read_samples(path, metric=metric, wanted_filter=wanted_filter)
    else:
        raise LogError(f"{path}: neither lm-eval's samples_*.jsonl nor Inspect's .eval; see inspect log convert")
    return replace(log, model=name) if name else log


def write_run(logs: Sequence[Log], directory: Path) -> Run:
    """A run with every log's answers as rows of the condition "batched": graded, not timed.

    Raises:
        LogError: A name has more than one line; two logs tell of one model and task, or of one task by two scores or on
            other questions; the directory is a run already.
    """
    _check(logs)
    if (directory / MANIFEST_NAME).exists():
        raise LogError(f"{directory} is a run already; choose another --out")
    with RunWriter(directory) as writer:
        for log in logs:
            for answer in log.answers:
                writer.write(_row(log, answer))
        write_manifest(directory, _manifest(logs, directory.name))
    return read_run(directory)


def _named(given: str) -> tuple[str | None, Path]:
    name, equals, path = given.partition("=")
    return (name, Path(path)) if equals and name and not Path(given).exists() else (None, Path(given))


def _check(logs: Sequence[Log]) -> None:
    seen: dict[tuple[str, str], Log] = {}
    metrics: dict[str, str] = {}
    for log in logs:
        if not (log.model + log.task).isprintable():
            names = f"{shown(log.model)} and {shown(log.task)}"
            raise LogError(
                f"model and task are called {names}, not in letters of one line; give the model's as NAME=FILE"
            )
        if (log.model, log.task) in seen:
            raise LogError(f"two logs of {log.task} call their model {log.model!r}; tell them apart as NAME=FILE")
        seen[log.model, log.task] = log
        if metrics.setdefault(log.task, log.metric) != log.metric:
            known = f"{metrics[log.task]} and {log.metric}"
            raise LogError(f"{log.task}: its logs have different scores, {known}; choose one with --metric")
    first: dict[str, Log] = {}
    for log in logs:
        other = first.setdefault(log.task, log)
        if not {answer.id for answer in log.answers} & {answer.id for answer in other.answers}:
            raise LogError(f"{log.task}: {other.model} and {log.model} share no question: not the same data")


def _row(log: Log, answer: Answer) -> Row:
    return Row(
        model=log.model,
        model_sha256=_digest(log.model),
        suite=log.task,
        prompt_id=answer.id,
        kind=log.task,
        condition="batched",
        repetition=answer.repetition,
        seed=_SEED,
        started_at=log.made_at,
        prompt_sha256=answer.prompt_sha256,
        answer=answer.text,
        grade=answer.grade,
        grade_reason=None if answer.grade is None else f"{log.metric}, by {log.tool}",
        completion_tokens=answer.completion_tokens,
        completion_characters=None if answer.text is None else len(answer.text),
        error=answer.error,
    )


def _manifest(logs: Sequence[Log], run_id: str) -> dict[str, Any]:
    tasks = {log.task: len({answer.id for answer in log.answers}) for log in logs}
    models = {log.model: {"label": log.model, "sha256": _digest(log.model)} for log in logs}
    made = sorted(log.made_at for log in logs)
    return {
        "schema_version": SCHEMA_VERSION,
        "run_id": run_id,
        "created_at": made[0],
        "finished_at": made[-1],
        "config": {
            "name": run_id,
            "models": list(models),
            "suites": list(tasks),
            "conditions": ["batched"],
            "engine": ", ".join(dict.fromkeys(log.tool for log in logs)),
        },
        "suites": {task: {"prompts": count} for task, count in tasks.items()},
        "models": models,
    }


def _digest(model: str) -> str:
    """Of the name: the log says nothing of the file, and keys of rows have to tell models apart."""
    return hashlib.sha256(model.encode()).hexdigest()
