"""Run a command as a child process that can be watched and cancelled, and whose crash stays its own."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data.progress import FetchCancelled, IsCancelled

POLL_S = 0.1
_TAIL_BYTES = 16_384


def run_child(
    command: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str] | None = None,
    tick: Callable[[str], None] = lambda log: None,
    cancelled: IsCancelled,
) -> tuple[int, str]:
    """Run a command to its end; stdout and stderr go to one log.

    Args:
        directory: Where the log is kept while the command runs.
        environment: Added to this process's environment.
        tick: Called with the end of the log about ten times a second.

    Returns:
        Exit code (negative: the signal that ended it) and the end of the log.

    Raises:
        FetchCancelled: `cancelled()` became true; the command was ended.
    """
    with tempfile.TemporaryFile(dir=directory) as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            start_new_session=True,  # Ctrl-C reaches the caller alone, which then ends the child below
        )
        try:
            while not _ended(child):
                if cancelled():
                    raise FetchCancelled
                tick(_tail(log.fileno()))
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        return child.returncode, _tail(log.fileno())


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether it did within a moment."""
    try:
        child.wait(POLL_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def last_error(log: str) -> str:
    """The line of a log that most likely names the cause."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    marked = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return (marked or lines or ["it said nothing"])[-1]


def _tail(descriptor: int) -> str:
    # pread leaves the file offset alone, which the child shares and writes at.
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode("utf-8", errors="replace")
