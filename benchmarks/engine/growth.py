"""How far the process that infers may grow: what goes beyond what its models need has gone wrong."""

import contextlib
import os
import resource
from pathlib import Path

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.machine import required_memory_bytes
from data.gguf.header import GGUFError
from data.gguf.split import read_model

SPARE_BYTES = 2**30
"""For what comes and goes while replies are written: texts, logits, the threads' stacks."""


def bytes_to_load(path: Path, options: LoadOptions) -> int:
    """Twice what the model needs by its header, or else its size: weights are held twice while they are packed anew."""
    try:
        return 2 * required_memory_bytes(read_model(path), options)
    except GGUFError:
        return 2 * path.stat().st_size
    except OSError:
        return 0


def bytes_to_tell(tokens: int, vocabulary_size: int) -> int:
    """Distributions after so many tokens: as they are computed, together, and on their way out."""
    return 4 * 4 * tokens * vocabulary_size


def bound(more_bytes: int = 0) -> None:
    """Let this process's own memory grow by so much and the spare, from where it is. Mapped files count nothing.

    What it asks for beyond that is refused by the kernel, and ends as an error of the model that asked. The library for
    graphics cards has no bound: their drivers map what they like.
    """
    if Path(os.environ.get("LLAMA_CPP_LIB_PATH", "")).name == "cuda":
        return
    with contextlib.suppress(OSError, StopIteration):  # not Linux: no bound
        lines = Path("/proc/self/status").read_text().splitlines()
        now = next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmData:"))
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        wanted = now + more_bytes + SPARE_BYTES
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
