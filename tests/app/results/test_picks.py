import json
import threading
from pathlib import Path

import pytest

from app.results.picks import PickJob, PickJobs
from app.results.processes import JobError, Processes
from benchmarks.pick.rule import Budget
from tests.benchmarks.made_ladders import outcome


def picks_in(folder: Path) -> PickJobs:
    return PickJobs(folder / "jobs", [folder / "shipped", folder / "results"])


def ended(jobs: PickJobs) -> PickJob:
    for _ in range(1200):
        [job] = jobs.jobs()
        if not job.running:
            return job
        threading.Event().wait(0.05)
    raise AssertionError(job)


def test_a_ladder_that_dies_at_once_says_why_and_goes_on_with_another_budget(tmp_path: Path) -> None:
    jobs = picks_in(tmp_path)
    name = jobs.start("no-such-model", ["q4_0"], 4)
    with pytest.raises(JobError, match=f"{name} is running; two at once"):
        jobs.start("no-such-model", ["q4_0"], 4)
    job = ended(jobs)
    assert job.last_words.startswith("error: unknown model 'no-such-model'")
    assert (job.directory, job.can_go_on) == (tmp_path / "results" / name, True)
    for limit in (0.1, 0.2):
        jobs.go_on(name, Budget(memory_bytes=2e9, max_kl=limit))
        ended(jobs)
    command = json.loads((tmp_path / "jobs" / f"{name}.json").read_text())["command"]
    assert command[-2:] == ["--budget", "memory=2000MB,max-kl=0.200000,max-loss=0.000"]
    assert command.count("--budget") == 1


def test_a_ladder_whose_record_cannot_be_kept_does_not_run_on_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    begun = Processes(tmp_path / "jobs")
    monkeypatch.setattr("app.results.processes.write_atomically", full)
    with pytest.raises(JobError, match=r"cannot be written \(No space left"):
        begun.start("page-1", ["http.server", "0", "--bind", "127.0.0.1"])
    assert not begun.is_running("page-1")


def test_a_benchmark_run_and_a_ladder_do_not_disturb_each_other(tmp_path: Path) -> None:
    runs = Processes(tmp_path / "jobs")
    runs.start("page-1", ["http.server", "0", "--bind", "127.0.0.1"])
    try:
        assert picks_in(tmp_path).busy
        with pytest.raises(JobError, match="page-1 is running"):
            picks_in(tmp_path).start("any", ["q4_0"], 4)
    finally:
        runs.cancel("page-1")
        while runs.is_running("page-1"):
            threading.Event().wait(0.05)
    assert not picks_in(tmp_path).busy


def test_ladders_of_the_command_are_found_and_cannot_be_gone_on_with_from_here(tmp_path: Path) -> None:
    outcome().save(tmp_path / "shipped" / "pick-tuned")
    [job] = picks_in(tmp_path).jobs()
    assert (job.name, job.running, job.can_go_on) == ("pick-tuned", False, False)
    with pytest.raises(JobError, match="was not begun on this page"):
        picks_in(tmp_path).go_on("pick-tuned", Budget())


def test_nothing_chosen_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JobError, match="no quantization is chosen"):
        picks_in(tmp_path).start("any", [], 4)
    assert picks_in(tmp_path).jobs() == []
