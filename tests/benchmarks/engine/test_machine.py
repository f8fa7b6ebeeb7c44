import os
from pathlib import Path

import pytest

from benchmarks.engine.machine import available_memory_bytes, cpu_quota, usable_threads


def test_a_container_quota_is_rounded_down_and_never_exceeds_the_affinity(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    assert cpu_quota(tmp_path) == 1.5
    assert usable_threads(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("6400000 100000\n")
    assert usable_threads(tmp_path) == cores


def test_less_than_one_core_still_gives_one_thread(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_threads(tmp_path) == 1


def test_the_older_cgroup_hierarchy_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("200000")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000")
    assert cpu_quota(tmp_path) == 2.0
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("-1")
    assert cpu_quota(tmp_path) is None


def test_a_spaces_cpu_cores_limit_the_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_CORES", "1")
    assert usable_threads(tmp_path) == 1
    monkeypatch.setenv("CPU_CORES", "many")
    assert usable_threads(tmp_path) == len(os.sched_getaffinity(0))


def test_a_container_limit_counts_reclaimable_page_cache_as_available(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    assert available_memory_bytes(tmp_path, meminfo) == 8000 * 1024
    (tmp_path / "memory.max").write_text("4096000")
    (tmp_path / "memory.current").write_text("3096000")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 500000\n")
    assert available_memory_bytes(tmp_path, meminfo) == 1_500_000
    (tmp_path / "memory.max").write_text("max")
    assert available_memory_bytes(tmp_path, meminfo) == 8000 * 1024
