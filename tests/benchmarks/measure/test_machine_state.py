import os
from pathlib import Path

import pytest

from benchmarks.measure.machine_state import Counters, describe_machine, noise_between, read_counters
from benchmarks.runs.noise import is_noisy


def system(root: Path, *, steal: int, throttled: int, ran: int, waited: int) -> Path:
    (root / "7" / "task" / "8").mkdir(parents=True, exist_ok=True)
    (root / "7" / "task" / "9").mkdir(parents=True, exist_ok=True)
    (root / "stat").write_text(f"cpu  100 0 50 {840 - steal} 0 0 10 {steal} 5 0\ncpu0 1 2 3 4\n")
    (root / "loadavg").write_text("1.50 0.90 0.40 2/100 123\n")
    (root / "cpu.stat").write_text(f"usage_usec 5\nnr_periods 9\nnr_throttled {throttled}\n")
    for thread in ("8", "9"):
        (root / "7" / "task" / thread / "schedstat").write_text(f"{ran} {waited} 3\n")
    return root


def test_stealing_throttling_and_waiting_between_two_moments_are_found(tmp_path: Path) -> None:
    root = system(tmp_path, steal=0, throttled=2, ran=1000, waited=0)
    before = read_counters(7, proc=root, cgroup=root)
    system(tmp_path, steal=0, throttled=5, ran=1600, waited=400)
    (root / "stat").write_text("cpu  150 0 60 870 0 0 10 10 5 0\n")
    noise = noise_between(before, read_counters(7, proc=root, cgroup=root))
    assert noise.steal_share == pytest.approx(0.1)
    assert noise.throttled == 3
    assert noise.cpu_wait_share == pytest.approx(0.4)
    assert noise.load_1m == 1.5


def test_what_the_system_does_not_tell_is_none_and_not_0(tmp_path: Path) -> None:
    nothing = read_counters(7, proc=tmp_path, cgroup=tmp_path)
    assert nothing == Counters(
        steal_ticks=None, total_ticks=None, throttled=None, run_ns=None, wait_ns=None, load_1m=None
    )
    noise = noise_between(nothing, nothing)
    assert (noise.steal_share, noise.throttled, noise.cpu_wait_share, noise.load_1m) == (None, None, None, None)


def test_a_sample_too_short_for_a_tick_had_nothing_stolen(tmp_path: Path) -> None:
    now = read_counters(7, proc=system(tmp_path, steal=1, throttled=0, ran=1, waited=1), cgroup=tmp_path)
    assert noise_between(now, now).steal_share == 0


@pytest.mark.parametrize(
    ("steal_share", "throttled", "cpu_wait_share", "noisy"),
    [(None, None, None, False), (0.0, 0, 0.01, False), (0.5, 0, 0.0, True), (0.0, 1, 0.0, True), (0.0, 0, 0.5, True)],
)
def test_a_sample_is_noisy_if_something_else_took_its_time(
    steal_share: float | None, throttled: int | None, cpu_wait_share: float | None, noisy: bool
) -> None:
    assert is_noisy(steal_share=steal_share, throttled=throttled, cpu_wait_share=cpu_wait_share) is noisy


def test_this_machine_can_be_watched_and_described() -> None:
    now = read_counters(os.getpid())
    assert now.total_ticks is not None and now.total_ticks > 0
    facts = describe_machine()
    assert facts["cores"] >= facts["usable_threads"] >= 1
    assert facts["cpu"] and "avx2" in facts["cpu_flags"]
    assert "numpy" in facts["packages"]
