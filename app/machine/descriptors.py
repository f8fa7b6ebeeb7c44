"""How many pages may be open at once, by the file descriptors that the process may have (`ulimit -n`)."""

import resource
from pathlib import Path

A_PAGE, OTHERS = 4, 256
"""A page is a socket, and an event loop with three; it keeps the loop for two minutes after it was closed."""
WANTED_PAGES = 1_000
WANTED = OTHERS + 2 * A_PAGE * WANTED_PAGES


def raise_limit() -> int:
    """Have as many as are wanted, where the hard limit allows that; how many there are then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < WANTED:
        soft = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def in_use() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def pages(descriptors: int) -> int:
    """Pages that can be open, if as many have just been closed."""
    return max(1, min(WANTED_PAGES, (descriptors - OTHERS) // (2 * A_PAGE)))


def problem_with(descriptors: int) -> str | None:
    """What too few mean, in one line."""
    if descriptors >= WANTED:
        return None
    return (
        f"ulimit -n is {descriptors:,}: {pages(descriptors):,} pages can be open at once; for {WANTED_PAGES:,}, raise "
        f"it to {WANTED:,}"
    )
