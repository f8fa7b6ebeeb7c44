"""Multiple choice by log-likelihood: the choice that a model finds likeliest after the question is its answer.

Each question makes two rows: in the suite of its name by the sum over a choice's tokens, in `NAME-per-byte` by that sum
over the choice's UTF-8 bytes, as lm-evaluation-harness's `acc` and `acc_bytes`. Its `acc_norm` divides by characters,
which is the same where the choices are ASCII.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

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
    config: Config, suites: Sequence[ChoiceSuite], models: Sequence[ModelUnderTest], out: Path, stream: TextIO
) -> Path:
    """Ask every model every question, or what is missing in the run that is there already; returns the directory.

    Raises:
        RunError: What is there is another run, or the disk is full.
    """
    manifest = new_manifest(out.name, config, [])
    manifest["suites"] = _described(suites)
    manifest["models"] = {model.id: model.described() for model in models}
    with RunWriter(out) as writer:
        done = _done(out, manifest)
        write_manifest(out, manifest)
        total = sum(len(suite.questions) for suite in suites) * len(models)
        progress = RunProgress(total=total, stream=stream)
        for model in models:
            for rows in _asked(with_engine(model, config, sequences=SEQUENCES), config, suites, done, progress):
                for row in rows:
                    if (row.model_sha256, row.suite, row.prompt_id) not in done:
                        writer.write(row)
                progress.advance(rows[0])
        progress.end()
        manifest["finished_at"] = now()
        write_manifest(out, manifest)
    return out


def _described(suites: Sequence[ChoiceSuite]) -> dict[str, dict[str, object]]:
    facts = {suite.name: {"sha256": suite.sha256, "prompts": len(suite.questions)} for suite in suites}
    return facts | {f"{name}{PER_BYTE}": each for name, each in facts.items()}


def _done(out: Path, manifest: dict[str, object]) -> set[tuple[str, str, str]]:
    """Model, suite and question of what was answered already."""
    if not (out / MANIFEST_NAME).exists():
        return set()
    run = read_run(out)
    if any(run.manifest.get(key) != manifest[key] for key in ("suites", "config")):
        raise RunError(f"{out} is a run of other questions or settings; choose another --out")
    return {(row.model_sha256, row.suite, row.prompt_id) for row in run.rows if not row.error}


def _asked(
    model: ModelUnderTest,
    config: Config,
    suites: Sequence[ChoiceSuite],
    done: set[tuple[str, str, str]],
    progress: RunProgress,
) -> Iterator[list[Row]]:
    left = [
        (suite, question)
        for suite in suites
        for question in suite.questions[: config.limit or None]
        if (model.sha256, f"{suite.name}{PER_BYTE}", question.id) not in done
    ]
    for _ in range(sum(len(suite.questions) for suite in suites) - len(left)):
        progress.leave_out()
    if not left:
        return
    model.load()
    try:
        for suite, question in left:
            yield _rows(model, config, suite, question)
    finally:
        model.close()


def _rows(model: ModelUnderTest, config: Config, suite: ChoiceSuite, question: Question) -> list[Row]:
    scores, error = _scores(model, question)
    sizes = [len(choice.encode()) for choice in question.choices]
    made = []
    for name, values in ((suite.name, scores), (suite.name + PER_BYTE, [s / n for s, n in zip(scores, sizes)])):
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
