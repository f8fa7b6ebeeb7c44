import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.results.estimates import Plan
from app.results.jobs import BenchmarkJobs, Job
from app.results.processes import JobError
from benchmarks.runs.read import read_run
from data.errors import TradeoffError

WAIT_S = 60


def jobs_in(folder: Path) -> BenchmarkJobs:
    return BenchmarkJobs(folder / "jobs", folder / "results", "scripted")


def script(folder: Path, name: str, **content: object) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content))
    return str(path)


def wait(jobs: BenchmarkJobs, condition: Callable[[Job], bool]) -> Job:
    for _ in range(WAIT_S * 20):
        [job] = jobs.jobs()
        if condition(job):
            return job
        threading.Event().wait(0.05)
    raise AssertionError(job)


def start(jobs: BenchmarkJobs, *models: str, limit: int = 4) -> str:
    return jobs.start(Plan(models=tuple(models), suites=("core",), limit=limit, condition="timed-cold"))


@pytest.mark.slow
def test_a_run_is_started_watched_cancelled_found_by_another_server_and_resumed(tmp_path: Path) -> None:
    jobs, slow = jobs_in(tmp_path), script(tmp_path, "slow", reply="word " * 6, pace_s=0.02)
    name = start(jobs, slow, limit=8)
    with pytest.raises(JobError, match="is running; two at once"):
        start(jobs, slow)
    running = wait(jobs, lambda job: job.done >= 2)
    assert running.running and running.total == 8
    assert jobs.look(running).done >= running.done
    assert (running.seconds_left(running.started_at + 10) or 0) > 0
    jobs.cancel(name)
    stopped = wait(jobs, lambda job: not job.running)
    assert 2 <= stopped.done < 8 and not stopped.finished
    again = jobs_in(tmp_path)
    again.resume(name)
    done = wait(again, lambda job: job.finished and not job.running)
    assert done.directory is not None and len(read_run(done.directory).rows) == 8
    with pytest.raises(JobError, match="nothing to resume"):
        again.resume(name)


def test_a_choice_that_makes_no_sense_is_one_line_and_starts_nothing(tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path)
    with pytest.raises(TradeoffError, match="models is empty"):
        jobs.start(Plan(models=(), suites=("core",), limit=4, condition="timed-cold"))
    with pytest.raises(TradeoffError, match="'hot' cannot be run"):
        jobs.start(Plan(models=("a",), suites=("core",), limit=4, condition="hot"))
    assert jobs.jobs() == []


def test_a_run_that_dies_at_once_says_why(tmp_path: Path) -> None:
    jobs = BenchmarkJobs(tmp_path / "jobs", tmp_path / "results", "llama_cpp")
    jobs.start(Plan(models=("no-such-model",), suites=("core",), limit=1, condition="timed-cold"))
    job = wait(jobs, lambda job: not job.running)
    assert "no-such-model" in job.last_words and job.directory is None


def test_a_process_id_that_is_somebody_elses_now_is_not_taken_for_the_run(tmp_path: Path) -> None:
    jobs = jobs_in(tmp_path)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "page-1.toml").write_text('name = "page-1"\nmodels = ["a"]\nsuites = ["core"]\nlimit = 2\n')
    (tmp_path / "jobs" / "page-1.json").write_text(json.dumps({"pid": 1, "born": -1, "started_at": 0}))
    [job] = jobs.jobs()
    assert (job.running, job.total, job.done) == (False, 2, 0)
    jobs.cancel("page-1")  # touches nobody
