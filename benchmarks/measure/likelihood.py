"""Multiple choice by log-likelihood: the choice that a model finds likeliest after the question is its answer.

Two runs are made side by side, so that no question counts twice in one: by the sum over a choice's tokens, and in the
suite `NAME-per-byte` by that sum over the choice's UTF-8 bytes, as lm-evaluation-harness's `acc` and `acc_bytes`. Its
`acc_norm` divides by characters, which is the same where the choices are ASCII.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from benchmarks.config import Config
from benchmarks.engine.contract import EngineError
from benchmarks.engine.ends import Ends
from benchmarks.measure.manifest import new_manifest, now
from benchmarks.measure.models import ModelUnderTest, with_engine
from benchmarks.measure.progress import RunProgress
from benchmarks.runs.read import MANIFEST_NAME, Row, RunError, read_run
from benchmarks.runs.write import RunWriter, write_manifest
from data.suites.multiple_choice import ChoiceSuite, Question

PER_BYTE = "-per-byte"
SEQUENCES = 6
"""One for the beginning, and one for each of five choices, which few questions have more than."""


def measure_likelihood(
    config: Config, suite: ChoiceSuite, models: Sequence[ModelUnderTest], out: Path, stream: TextIO
) -> tuple[Path, Path]:
    """Ask every model every question, or what is missing in the runs that are there already; returns the directories.

    Raises:
        RunError: What is there is another run, or the disk is full.
    """
    asked = suite.questions[: config.limit or None]
    whole = out.absolute()
    directories = (whole, Path(f"{whole}{PER_BYTE}"))
    names = (suite.name, suite.name + PER_BYTE)
    manifests = [_manifest(each, config, name, suite, models) for each, name in zip(directories, names, strict=True)]
    with RunWriter(directories[0]) as sums, RunWriter(directories[1]) as per_byte:
        done = [_done(each, manifest) for each, manifest in zip(directories, manifests, strict=True)]
        _note(directories, manifests)
        progress = RunProgress(total=len(asked) * len(models), stream=stream)
        for model in models:
            left = [each for each in asked if any((model.sha256, each.id) not in known for known in done)]
            for _ in range(len(asked) - len(left)):
                progress.leave_out()
            for rows in _answered(with_engine(model, config, sequences=SEQUENCES), config, names, left):
                for row, writer, known in zip(rows, (sums, per_byte), done, strict=True):
                    if (row.model_sha256, row.prompt_id) not in known:
                        writer.write(row)
                progress.advance(rows[0])
        progress.end()
        _note(directories, [manifest | {"finished_at": now()} for manifest in manifests])
    return directories


def _manifest(
    directory: Path, config: Config, name: str, suite: ChoiceSuite, models: Sequence[ModelUnderTest]
) -> dict[str, Any]:
    return new_manifest(directory.name, replace(config, suites=(name,)), []) | {
        "suites": {name: {"sha256": suite.sha256, "prompts": len(suite.questions)}},
        "models": {model.id: model.described() for model in models},
    }


def _note(directories: Sequence[Path], manifests: Sequence[Mapping[str, Any]]) -> None:
    for directory, manifest in zip(directories, manifests, strict=True):
        write_manifest(directory, manifest)


def _done(directory: Path, manifest: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Model and question of what was answered already."""
    if not (directory / MANIFEST_NAME).exists():
        return set()
    run = read_run(directory)
    if any(run.manifest.get(key) != manifest[key] for key in ("suites", "config")):
        raise RunError(f"{directory} is a run of other questions or settings; choose another --out")
    return {(row.model_sha256, row.prompt_id) for row in run.rows if not row.error}


def _answered(
    model: ModelUnderTest, config: Config, names: Sequence[str], questions: Sequence[Question]
) -> Iterator[list[Row]]:
    if not questions:
        return
    model.load()
    try:
        for question in questions:
            yield _rows(model, config, names, question)
    finally:
        model.close()


def _rows(model: ModelUnderTest, config: Config, names: Sequence[str], question: Question) -> list[Row]:
    scores, error = _scores(model, question)
    sizes = [len(choice.encode()) for choice in question.choices]
    made = []
    for name, values in zip(names, (scores, [s / n for s, n in zip(scores, sizes)]), strict=True):
        likeliest = values.index(max(values)) if values else None
        made.append(
            Row(
                model=model.id,
                model_sha256=model.sha256,
                suite=name,
                prompt_id=question.id,
                kind=question.kind,
                condition="batched",
                repetition=0,
                seed=config.seed,
                started_at=now(),
                answer=None if likeliest is None else question.choices[likeliest],
                grade=None if likeliest is None else float(likeliest == question.right),
                grade_reason=None if likeliest is None else _reason(values, question),
                pid=model.pid,
                error=error,
            )
        )
    return made


def _scores(model: ModelUnderTest, question: Question) -> tuple[list[float], str | None]:
    if model.engine is None:
        return [], model.error or "the model is not loaded"
    ends = tuple(f" {choice}" for choice in question.choices)
    try:
        return model.engine.score_ends(Ends(beginning=question.beginning, ends=ends)), None
    except EngineError as error:
        return [], str(error)


def _reason(values: Sequence[float], question: Question) -> str:
    told = ", ".join(f"{value:.4f}" for value in values)
    return f"log-likelihoods {told}; the right one is number {question.right + 1}"
