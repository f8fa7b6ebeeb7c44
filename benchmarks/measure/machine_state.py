"""What the machine was, and what it did during a sample: stolen time, throttling, waiting for a CPU, load.

Samples are flagged, never deleted: the reader sees which figures a noisy neighbour touched.
"""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.engine.machine import available_memory_bytes, cpu_quota, usable_threads

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")

_PACKAGES = ("llama-cpp-python", "numpy", "scipy", "pandas", "altair", "jsonschema", "gguf", "streamlit")


@dataclass(frozen=True, kw_only=True)
class Counters:
    """Counters at one moment; None where the system does not have them.

    Attributes:
        steal_ticks, total_ticks: Of all CPUs since boot, in ticks.
        throttled: Periods in which the container's quota was used up.
        run_ns, wait_ns: Of the threads of the process that is watched: on a CPU, and ready but waiting for one.
        load_1m: Load average over one minute.
    """

    steal_ticks: int | None
    total_ticks: int | None
    throttled: int | None
    run_ns: int | None
    wait_ns: int | None
    load_1m: float | None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What happened between two snapshots; see `benchmarks.runs.read.Row`."""

    steal_share: float | None
    throttled: int | None
    cpu_wait_share: float | None
    load_1m: float | None


def read_counters(pid: int | None = None, *, proc: Path = _PROC, cgroup: Path = _CGROUP) -> Counters:
    """Read the counters now, and those of the threads of one process."""
    ticks = _cpu_ticks(proc / "stat")
    run_ns, wait_ns = _thread_times(proc / str(pid)) if pid else (None, None)
    return Counters(
        steal_ticks=ticks[7] if len(ticks) > 7 else None,
        total_ticks=sum(ticks[:8]) if ticks else None,  # guest time is inside user time already
        throttled=_throttled(cgroup),
        run_ns=run_ns,
        wait_ns=wait_ns,
        load_1m=_load(proc / "loadavg"),
    )


def noise_between(before: Counters, after: Counters) -> Noise:
    """What was stolen, throttled and waited for between two snapshots; the load is the first one's."""
    stolen = _gain(before.steal_ticks, after.steal_ticks)
    ran, waited = _gain(before.run_ns, after.run_ns), _gain(before.wait_ns, after.wait_ns)
    return Noise(
        steal_share=_share(stolen, _gain(before.total_ticks, after.total_ticks)),
        throttled=_gain(before.throttled, after.throttled),
        cpu_wait_share=_share(waited, ran + waited) if ran is not None and waited is not None else None,
        load_1m=before.load_1m,
    )


def _gain(before: int | None, after: int | None) -> int | None:
    return max(0, after - before) if before is not None and after is not None else None


def _share(part: int | None, whole: int | None) -> float | None:
    """None where either is not known; 0 where nothing happened at all."""
    if part is None or whole is None:
        return None
    return part / whole if whole else 0.0


def describe_machine(proc: Path = _PROC) -> dict[str, Any]:
    """The machine as it goes into a run's manifest."""
    cpu = _cpuinfo(proc / "cpuinfo")
    return {
        "cpu": cpu.get("model name", platform.processor() or platform.machine()),
        "cpu_flags": sorted(cpu.get("flags", "").split()),
        "cores": os.cpu_count(),
        "usable_threads": usable_threads(),
        "core_quota": cpu_quota(),
        "available_memory_bytes": available_memory_bytes(),
        "huge_pages": _text(Path("/sys/kernel/mm/transparent_hugepage/enabled")),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "packages": _package_versions(),
    }


def _package_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _cpu_ticks(path: Path) -> list[int]:
    first = (_text(path) or "").partition("\n")[0].split()
    return [int(field) for field in first[1:]] if first[:1] == ["cpu"] else []


def _throttled(cgroup: Path) -> int | None:
    for path in (cgroup / "cpu.stat", cgroup / "cpu" / "cpu.stat"):
        for line in (_text(path) or "").splitlines():
            name, _, value = line.partition(" ")
            if name == "nr_throttled":
                return int(value)
    return None


def _thread_times(process: Path) -> tuple[int | None, int | None]:
    """Nanoseconds that a process's threads ran and waited on a run queue, from the scheduler's own account."""
    times = [text.split() for path in process.glob("task/*/schedstat") if (text := _text(path))]
    if not times:
        return None, None
    return sum(int(ran) for ran, _, _ in times), sum(int(waited) for _, waited, _ in times)


def _load(path: Path) -> float | None:
    text = _text(path)
    return float(text.split()[0]) if text else None


def _cpuinfo(path: Path) -> dict[str, str]:
    """The first CPU's lines."""
    block = (_text(path) or "").partition("\n\n")[0]
    return {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in block.splitlines())}


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
