"""Bounds for others' code that runs in this process: a time, and a size to which the process may grow."""

import contextlib
import resource
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data.errors import TradeoffError

MOST_S = 3.0
MOST_BYTES = 512 * 2**20
_AGAIN_S = 0.5


@contextlib.contextmanager
def within_bounds(
    what: str, error: Callable[[str], TradeoffError], *, most_s: float = MOST_S, most_bytes: int = MOST_BYTES
) -> Iterator[None]:
    """End what takes too long or too much; on another thread than the main one, which no signal reaches, nothing is.

    The alarm goes off again and again, since what it interrupts may try something else.

    Raises:
        error: It was ended; one line with the bound.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    too_long = error(f"{what} takes longer than {most_s:g} s; use another")
    rang = []

    def ring(*_: Any) -> None:
        rang.append(True)
        raise too_long

    before, limits = signal.signal(signal.SIGALRM, ring), resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_least(limits[0], _size_bytes() + most_bytes), limits[1]))
    try:
        signal.setitimer(signal.ITIMER_REAL, most_s, _AGAIN_S)
        yield
    except MemoryError:
        raise error(f"{what} needs more than {most_bytes / 2**20:.0f} MB; use another") from None
    except TradeoffError:
        if rang:
            raise too_long from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, limits)
        signal.signal(signal.SIGALRM, before)
    if rang:
        raise too_long


def _least(limit: int, wanted: int) -> int:
    return wanted if limit == resource.RLIM_INFINITY else min(limit, wanted)


def _size_bytes() -> int:
    """Address space of this process now."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
