"""Ladders of quantizations: those begun from the page, and all that are kept beside the runs."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.results.processes import JobError, Processes
from benchmarks.pick.outcome import find_outcomes
from benchmarks.pick.rule import Budget, budget_text

COMMAND = "benchmarks.pick"
_MOST_FRESH = 3
"""Begun and without a file so far: who tries again does not want to see every failure."""


@dataclass(frozen=True, kw_only=True)
class PickJob:
    """A ladder.

    Attributes:
        name: Of its folder.
        directory: Where `benchmarks.pick` keeps it; there may be nothing yet.
        can_go_on: It was begun here, so that its command is known.
        last_words: The last line of its log.
    """

    name: str
    directory: Path
    running: bool
    can_go_on: bool
    last_words: str


class PickJobs:
    """Begins ladders, one at a time, and finds them again.

    Args:
        directory: Of process records and logs, shared with the benchmark runs.
        results: Folders of results; new ladders go to the last.
    """

    def __init__(self, directory: Path, results: Sequence[Path]) -> None:
        self._directory, self._results = directory, results
        self._processes = Processes(directory)
        self._lock = threading.Lock()

    def start(self, model: str, quantizations: Sequence[str], prompts: int, *, from_quantized: bool = False) -> str:
        """Begin a ladder; returns its name.

        Raises:
            JobError: Nothing was chosen, or something else is running.
        """
        if not quantizations:
            raise JobError("no quantization is chosen; choose at least one")
        name = f"pick-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        out = str((self._results[-1] / name).absolute())
        command = [COMMAND, model, "--quants", ",".join(quantizations), "--prompts", str(prompts), "--out", out]
        command += ["--from-quantized"] if from_quantized else []
        with self._lock:
            self._processes.require_none()
            self._processes.start(name, command)
        return name

    def go_on(self, name: str, budget: Budget) -> None:
        """Begin its process again, with this budget: what was measured and answered is not done twice.

        Raises:
            JobError: It was not begun here, or something is running.
        """
        command = list(self._processes.record(name).get("command", ()))
        if not command or command[0] != COMMAND:
            raise JobError(f"{name}: it was not begun on this page; give its command the budget instead")
        with self._lock:
            self._processes.require_none()
            self._processes.start(name, [*_without_budget(command), "--budget", budget_text(budget)])

    def cancel(self, name: str) -> None:
        """End its process; every file that was measured stays known."""
        self._processes.cancel(name)

    def jobs(self) -> list[PickJob]:
        """All ladders, the newest first; one that has only just begun before all."""
        found = {directory.name: directory for directory in find_outcomes(self._results)}
        begun = sorted((path.stem for path in self._directory.glob("pick-*.json")), reverse=True)
        fresh = [name for name in begun[:_MOST_FRESH] if name not in found and self._is_worth_showing(name)]
        folders = {name: self._results[-1] / name for name in fresh} | found
        return [self._job(name, directory) for name, directory in folders.items()]

    @property
    def busy(self) -> bool:
        """Something is being measured: a run or a ladder."""
        return bool(self._processes.running)

    def look(self, job: PickJob) -> PickJob:
        """As it is now."""
        return self._job(job.name, job.directory)

    def _is_worth_showing(self, name: str) -> bool:
        """It runs, or died before its first file: then its last words say why."""
        return self._processes.is_running(name) or bool(self._processes.last_words(name))

    def _job(self, name: str, directory: Path) -> PickJob:
        return PickJob(
            name=name,
            directory=directory,
            running=self._processes.is_running(name),
            can_go_on=bool(self._processes.record(name).get("command")),
            last_words=self._processes.last_words(name),
        )


def _without_budget(command: list[str]) -> list[str]:
    if "--budget" not in command:
        return command
    place = command.index("--budget")
    return command[:place] + command[place + 2 :]
