"""What this process may really use: cores and memory, container limits included; and whether a model fits into that."""

import contextlib
import os
from pathlib import Path

from benchmarks.engine.contract import EngineError, LoadOptions
from data.gguf.header import GGUFHeader

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


def required_memory_bytes(header: GGUFHeader, options: LoadOptions) -> int:
    """Bytes that a load needs: weights, KV cache of all sequences (f16), and the compute buffer's order of size.

    Weights that llama.cpp packs anew are counted once: the file's own pages, which the resident size has too, are the
    kernel's to take back.
    """
    trained = header.context_length or options.context_tokens
    cells = min(options.context_tokens, trained) * options.sequences
    compute = 4 * options.prefill_chunk_tokens * (header.vocabulary_size or 0) + 64 * 2**20
    return header.tensor_bytes + cells * (header.kv_bytes_per_token or 0) + compute


def refuse_if_too_large(path: Path, header: GGUFHeader, options: LoadOptions) -> None:
    """Raises:
    EngineError: The model needs more memory than is available; the message has both figures.
    """
    need, have = required_memory_bytes(header, options), available_memory_bytes()
    if need > have:
        raise EngineError(
            f"{path.name} needs {need / 1e9:.1f} GB of memory with "
            f"{options.sequences} × {options.context_tokens:,} tokens of context, {have / 1e9:.1f} GB are available; "
            "close other models or choose a smaller one"
        )
