"""Graded answers of a candidate and of the reference to the same prompts, many at once; kept as runs.

A candidate is asked no more once the sequential rule (`benchmarks.statistics.sequential`) tells it from the reference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path
from typing import TextIO

from benchmarks.config import Config
from benchmarks.measure.batch import measure_batched
from benchmarks.measure.manifest import new_manifest
from benchmarks.measure.models import ModelUnderTest, find_models, with_engine
from benchmarks.measure.progress import RunProgress
from benchmarks.measure.schedule import Trial, schedule
from benchmarks.pick.arms import Arm, PickError
from benchmarks.pick.rule import Graded
from benchmarks.runs.read import Row, Run, read_run
from benchmarks.runs.write import RunWriter, write_manifest
from benchmarks.statistics.pairs import compare_scores, scores
from benchmarks.statistics.sequential import ERROR, Contest
from data.command import say
from data.suites.prompts import Suite

SEQUENCES = 8


@dataclass(kw_only=True)
class Grader:
    """Asks files the same prompts.

    Attributes:
        directory: A run a file goes there.
        candidates: So many may be compared; the chance that any equal one is stopped is at most `ERROR`.
        early: End the questions to a file that is told apart.
    """

    suite: Suite
    prompts: int
    threads: int
    directory: Path
    candidates: int
    early: bool
    stream: TextIO
    _reference: Run | None = field(default=None, init=False)

    def against(self, path: Path, reference: Path) -> tuple[Graded, tuple[Run, Run]]:
        """A file's answers against the reference's, which are asked for once; and the two runs."""
        if self._reference is None:
            self._reference = self._answers(reference, {}, None)
        expected = {row.prompt_id: row for row in self._reference.rows if not row.error}
        needed = log(max(1, self.candidates) / ERROR)
        contest = Contest(order=self._order(reference), needed=needed) if self.early else None
        run = self._answers(path, expected, contest)
        found = compare_scores(*(scores(each, each.rows[0].model, "batched") for each in (run, self._reference)))
        return Graded(comparison=found, told_apart=bool(contest and contest.decided)), (run, self._reference)

    def _config(self, path: Path) -> Config:
        return Config(
            name="pick",
            models=(str(path),),
            suites=(self.suite.name,),
            limit=self.prompts,
            conditions=("batched",),
            batch_sequences=SEQUENCES,
            alone_prompts=0,
            threads=self.threads,
        )

    def _order(self, path: Path) -> list[str]:
        return [trial.prompt_id for trial in schedule(self._config(path), [self.suite])]

    def _answers(self, path: Path, expected: Mapping[str, Row], contest: Contest | None) -> Run:
        config = self._config(path)
        (model,) = find_models(config, say)
        if model.error:
            raise PickError(model.error)
        config = replace(config, models=(model.id,))
        trials = schedule(config, [self.suite])
        directory = self.directory / f"{model.sha256[:12]}-{self.suite.sha256[:8]}-{self.prompts}"
        with RunWriter(directory) as writer:
            manifest = new_manifest(directory.name, config, [self.suite])
            manifest["models"] = {model.id: model.described()}
            write_manifest(directory, manifest)
            mine = {row.prompt_id: row for row in read_run(directory).rows if not row.error}
            note = _noter(mine, expected, contest)
            left = [trial for trial in trials if trial.prompt_id not in mine]
            model = with_engine(model, config, sequences=SEQUENCES)
            self._ask(left, model, config, writer, note, contest)
            write_manifest(directory, manifest)
        run = read_run(directory)
        if not any(row.grade is not None for row in run.rows):
            why = next((row.error for row in run.rows if row.error), f"no answer to {self.suite.name} was graded")
            raise PickError(f"{path.name}: {why}")
        return run

    def _ask(
        self,
        left: Sequence[Trial],
        model: ModelUnderTest,
        config: Config,
        writer: RunWriter,
        note: Callable[[Row], None],
        contest: Contest | None,
    ) -> None:
        if not left or (contest and contest.decided):
            return
        progress = RunProgress(total=len(left), stream=self.stream)
        model.load()
        try:
            for row in measure_batched(left, model, config, needless=lambda _: bool(contest and contest.decided)):
                writer.write(row)
                note(row)
                progress.advance(row)
        finally:
            progress.end()
            model.close()


def s_per_right(run: Run, arm: Arm) -> float | None:
    """Seconds of all graded answers, each alone on the machine, over the number of right ones; None where none is.

    The seconds are each answer's tokens at the file's own rates: answers that were asked many at once have none.
    """
    rows = [row for row in run.rows if row.grade is not None]
    right = sum(row.grade or 0.0 for row in rows)
    seconds = sum(
        (row.prompt_tokens or 0) / arm.prefill_tok_per_s + (row.completion_tokens or 0) / arm.decode_tok_per_s
        for row in rows
    )
    return seconds / right if right else None


def _noter(mine: dict[str, Row], expected: Mapping[str, Row], contest: Contest | None) -> Callable[[Row], None]:
    def note(row: Row) -> None:
        if not row.error:
            mine[row.prompt_id] = row
        if contest:
            contest.look(mine, expected)

    if contest:
        contest.look(mine, expected)
    return note
