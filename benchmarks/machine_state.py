"""What the machine was, and what it did during a sample: stolen time, throttling, load.

Samples are flagged, never deleted: the reader sees which figures a noisy neighbour touched.
"""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.machine import available_memory_bytes, cpu_quota, usable_threads

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")

NOISY_STEAL_SHARE = 0.02
"""A sample during which more than this share of the CPU time went to other machines is called noisy."""

_PACKAGES = ("llama-cpp-python", "numpy", "scipy", "pandas", "altair", "jsonschema", "gguf", "streamlit")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Counters at one moment; None where the system does not have them.

    Attributes:
        steal_ticks, total_ticks: Of all CPUs since boot, in ticks.
        throttled: Periods in which the container's quota was used up.
        load_1m: Load average over one minute.
    """

    steal_ticks: int | None
    total_ticks: int | None
    throttled: int | None
    load_1m: float | None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What happened between two snapshots."""

    steal_share: float | None
    throttled: int | None
    load_1m: float | None


def snapshot(proc: Path = _PROC, cgroup: Path = _CGROUP) -> Snapshot:
    """Read the counters now."""
    ticks = _cpu_ticks(proc / "stat")
    return Snapshot(
        steal_ticks=ticks[7] if len(ticks) > 7 else None,
        total_ticks=sum(ticks[:8]) if ticks else None,  # guest time is inside user time already
        throttled=_throttled(cgroup),
        load_1m=_load(proc / "loadavg"),
    )


def noise_between(before: Snapshot, after: Snapshot) -> Noise:
    """Share of CPU time stolen and number of throttled periods between two snapshots; the load is the first one's."""
    steal_share = None
    if None not in (before.steal_ticks, after.steal_ticks, before.total_ticks, after.total_ticks):
        total = (after.total_ticks or 0) - (before.total_ticks or 0)
        steal_share = ((after.steal_ticks or 0) - (before.steal_ticks or 0)) / total if total > 0 else 0.0
    throttled = None
    if before.throttled is not None and after.throttled is not None:
        throttled = after.throttled - before.throttled
    return Noise(steal_share=steal_share, throttled=throttled, load_1m=before.load_1m)


def is_noisy(steal_share: float | None, throttled: int | None) -> bool:
    """Whether a sample's time was touched by stealing or throttling."""
    return (steal_share or 0) > NOISY_STEAL_SHARE or (throttled or 0) > 0


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
