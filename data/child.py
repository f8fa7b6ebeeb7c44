"""Run a command as a child process that can be watched and cancelled, and whose crash stays its own."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data.errors import ModelError
from data.paths import python_path
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
            while child.poll() is None:
                if cancelled():
                    raise FetchCancelled
                tick(_tail(log.fileno()))
                try:
                    child.wait(POLL_S)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        return child.returncode, _tail(log.fileno())


def last_error(log: str) -> str:
    """The line of a log that most likely names the cause."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    marked = [line for line in lines if "error" in line.lower() or "failed" in line.lower()]
    return (marked or lines or ["it said nothing"])[-1]


def quantize_in_child(
    source: Path,
    target: Path,
    quantization: str,
    *,
    on_share: Callable[[float], None] = lambda share: None,
    cancelled: IsCancelled,
) -> None:
    """Quantize in a process of its own, so that a crash of llama.cpp ends only that.

    Args:
        on_share: Called with the share of the tensors that are done, 0 to 1.

    Raises:
        ModelError: The process failed or crashed.
        FetchCancelled: `cancelled()` became true.
    """
    try:
        code, log = run_child(
            [sys.executable, "-m", "data.gguf.quantize", str(source), str(target), quantization],
            directory=target.parent,
            environment={"PYTHONPATH": python_path()},
            tick=lambda log: on_share(quantized_share(log)),
            cancelled=cancelled,
        )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if code != 0:
        target.unlink(missing_ok=True)
        cause = f"the quantizer was ended by signal {-code}" if code < 0 else last_error(log)
        raise ModelError(f"could not quantize {source.name} to {quantization}: {cause.removeprefix('error: ')}")


def quantized_share(log: str) -> float:
    """Share of the tensors done, from llama.cpp's lines such as `[  12/ 272] blk.1.attn_k.weight`."""
    for line in reversed(log.splitlines()):
        if line.startswith("[") and "]" in line:
            done, _, total = line[1 : line.index("]")].partition("/")
            if done.strip().isdigit() and total.strip().isdigit() and int(total):
                return min(1.0, int(done) / int(total))
    return 0.0


def _tail(descriptor: int) -> str:
    # pread leaves the file offset alone, which the child shares and writes at.
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode("utf-8", errors="replace")
