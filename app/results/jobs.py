"""Benchmark runs begun from the page: processes of their own, which outlive the server.

Everything is on disk: `NAME.toml`, the configuration; `NAME.json`, which process; `NAME.log`, what it said; and the
run's own directory, where `benchmarks.run` appends its samples. So a restarted server finds its runs again.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.results.estimates import Plan
from app.results.processes import JobError, Processes
from benchmarks.config import Config, ConfigError, load_config
from benchmarks.measure.schedule import schedule
from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import SAMPLES_NAME, RunError, read_manifest
from data.errors import SuiteError
from data.files import write_atomically
from data.records import build, toml_lines
from data.suites.prompts import load_suite


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run that was begun here.

    Attributes:
        directory: Of the run; None until its process has made it.
        done, total: Samples on disk, and in all; the total is None where the configuration cannot be read any more.
        running: Its process lives.
        finished: The run is complete.
        started_at, done_at_start: Seconds since the epoch when the process began, and the samples that were there.
        last_words: The last line of its log.
    """

    name: str
    directory: Path | None
    done: int
    total: int | None
    running: bool
    finished: bool
    started_at: float
    done_at_start: int
    last_words: str

    def seconds_left(self, now: float) -> float | None:
        """From the pace since this process began, loading included; None before its first sample."""
        made = self.done - self.done_at_start
        if self.total is None or made < 1:
            return None
        return (now - self.started_at) / made * (self.total - self.done)


class BenchmarkJobs:
    """The runs of one directory of jobs.

    Args:
        directory: Of configurations, logs and process records.
        out: Where runs go.
        engine: What the runs measure with.
    """

    def __init__(self, directory: Path, out: Path, engine: str) -> None:
        self._directory, self._out, self._engine = directory, out, engine
        self._processes = Processes(directory)
        self._totals: dict[str, int | None] = {}
        self._lock = threading.Lock()

    def start(self, plan: Plan) -> str:
        """Write a configuration and begin its run; returns the job's name.

        Raises:
            ConfigError: The choice makes no sense.
            JobError: Another run is going on, or the disk does not take it.
        """
        name = f"page-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        values = plan.values(name, self._engine)
        build(Config, values, ConfigError)  # says what is wrong with the choice before anything is written
        with self._lock:
            self._processes.require_none()
            try:
                write_atomically(self._directory / f"{name}.toml", toml_lines(values))
            except OSError as error:
                raise JobError(f"{self._directory}: cannot be written ({error.strerror})") from None
            self._launch(name, [])
        return name

    def resume(self, name: str) -> None:
        """Go on with a run that was cancelled or died.

        Raises:
            JobError: It is running or finished, or another is running.
        """
        with self._lock:
            self._processes.require_none()
            job = next((job for job in self.jobs() if job.name == name), None)
            if job is None or job.finished:
                raise JobError(f"{name}: there is nothing to resume")
            self._launch(name, ["--resume"] if job.directory else [])

    def cancel(self, name: str) -> None:
        """End a run's process; every sample so far stays, and the run can be resumed."""
        self._processes.cancel(name)

    def jobs(self) -> list[Job]:
        """All of them, newest first."""
        names = sorted((path.stem for path in self._directory.glob("page-*.toml")), reverse=True)
        directories = self._run_directories() if names else {}
        return [self._job(name, directories.get(name)) for name in names]

    @property
    def busy(self) -> bool:
        """Something is being measured: a run or a ladder."""
        return bool(self._processes.running)

    def look(self, job: Job) -> Job:
        """One of them as it is now; reads nothing of the others once its directory is known."""
        return self._job(job.name, job.directory or self._run_directories().get(job.name))

    def _run_directories(self) -> dict[str, Path]:
        found = {}
        for directory in find_runs([self._out]):
            if directory.name.startswith("page-"):
                try:
                    found[str(read_manifest(directory).get("config", {}).get("name"))] = directory
                except RunError:
                    continue
        return found

    def _job(self, name: str, directory: Path | None) -> Job:
        record = self._processes.record(name)
        finished = bool(directory and _is_finished(directory))
        return Job(
            name=name,
            directory=directory,
            done=_lines(directory / SAMPLES_NAME) if directory else 0,
            total=self._total(name),
            running=self._processes.is_running(name),
            finished=finished,
            started_at=float(record.get("started_at", 0)),
            done_at_start=int(record.get("done_at_start", 0)),
            last_words=self._processes.last_words(name),
        )

    def _total(self, name: str) -> int | None:
        if name not in self._totals:
            try:
                config = load_config(self._directory / f"{name}.toml")
                self._totals[name] = len(schedule(config, [load_suite(suite) for suite in config.suites]))
            except (ConfigError, SuiteError):
                self._totals[name] = None
        return self._totals[name]

    def _launch(self, name: str, options: Sequence[str]) -> None:
        directory = self._run_directories().get(name)
        done = _lines(directory / SAMPLES_NAME) if directory else 0
        command = ["benchmarks.run", str(self._directory / f"{name}.toml"), "--out", str(self._out), *options]
        self._processes.start(name, command, done_at_start=done)


def _is_finished(directory: Path) -> bool:
    try:
        return bool(read_manifest(directory).get("finished_at"))
    except RunError:
        return False


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except OSError:
        return 0
