"""What this process may really use: cores and memory, container limits included."""

import contextlib
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


def usable_threads(cgroup: Path = _CGROUP) -> int:
    """Threads that can run at once: affinity, container quota (rounded down) and a Space's `CPU_CORES`; at least 1.

    More threads than the quota allows are throttled, and inference slows down by an order of magnitude.
    """
    limits = [float(len(os.sched_getaffinity(0)))]
    if (quota := cpu_quota(cgroup)) is not None:
        limits.append(quota)
    with contextlib.suppress(KeyError, ValueError):
        limits.append(float(os.environ["CPU_CORES"]))
    return max(1, int(min(limit for limit in limits if limit > 0)))


def cpu_quota(cgroup: Path = _CGROUP) -> float | None:
    """Cores' worth of CPU time that the container may use (cgroup v2, then v1); None without a limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    try:
        quota_us = int((cgroup / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((cgroup / "cpu" / "cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else None
    except (OSError, ValueError):
        return None


def available_memory_bytes(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int:
    """Bytes that can be allocated without swapping or being killed: the host's and the container's limit."""
    lines = (line.split() for line in meminfo.read_text().splitlines())
    available = next(int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:")
    for limit_file, usage_file in (
        (cgroup / "memory.max", cgroup / "memory.current"),
        (cgroup / "memory" / "memory.limit_in_bytes", cgroup / "memory" / "memory.usage_in_bytes"),
    ):
        try:
            limit, usage = int(limit_file.read_text()), int(usage_file.read_text())
        except (OSError, ValueError):  # no such hierarchy, or "max"
            continue
        available = min(available, limit - usage + _reclaimable_bytes(usage_file.parent / "memory.stat"))
    return max(0, available)


def _reclaimable_bytes(stat: Path) -> int:
    """Page cache counted as the container's usage, which the kernel gives back under pressure."""
    try:
        values = dict(line.split() for line in stat.read_text().splitlines())
        return int(values.get("inactive_file", values.get("total_inactive_file", 0)))
    except (OSError, ValueError):
        return 0
