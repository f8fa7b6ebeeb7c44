"""Processes begun from a page, which outlive the server: `NAME.json` says which one, `NAME.log` what it said.

So a restarted server finds them again. One at a time: two would disturb each other's timing.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.errors import TradeoffError
from data.files import write_atomically
from data.paths import ROOT
from data.records import fits, read_json

_PATIENCE_S = 5.0
"""Before a process that does not listen to an interrupt is terminated."""

_RECORD = {"pid": int, "born": int | None, "started_at": float, "done_at_start": int, "command": tuple[str, ...]}


class JobError(TradeoffError):
    """A run cannot be started, resumed or cancelled; one line for the operator."""


class Processes:
    """Those of one directory, whoever began them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._own: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def running(self) -> list[str]:
        """Their names, of benchmark runs and ladders alike."""
        return [path.stem for path in sorted(self._directory.glob("*.json")) if self.is_running(path.stem)]

    def require_none(self) -> None:
        """Raises:
        JobError: One is running.
        """
        if running := self.running:
            raise JobError(f"{running[0]} is running; two at once would disturb each other's timing; wait or cancel it")

    def start(self, name: str, command: Sequence[str], *, done_at_start: int = 0) -> None:
        """Run one of our commands: its module, then its arguments.

        Raises:
            JobError: The disk does not take its record.
        """
        process = None
        try:
            process = self._own[name] = self._begun(name, command)
            started = {"pid": process.pid, "born": _born(process.pid), "started_at": time.time()}
            record = started | {"done_at_start": done_at_start, "command": list(command)}
            write_atomically(self._directory / f"{name}.json", json.dumps(record))
        except OSError as error:
            if process:  # without its record nobody could cancel it
                process.kill()
                process.wait()
            raise JobError(f"{self._directory}: cannot be written ({error.strerror})") from None

    def _begun(self, name: str, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def cancel(self, name: str) -> None:
        """End it as an interrupt would; nothing where it has ended."""
        record = self.record(name)
        _signal(record, signal.SIGINT)
        timer = threading.Timer(_PATIENCE_S, _signal, (record, signal.SIGTERM))
        timer.daemon = True
        timer.start()

    def record(self, name: str) -> dict[str, Any]:
        """What was written at its start; empty where that cannot be read."""
        try:
            content = read_json(self._directory / f"{name}.json", JobError)
        except JobError:
            return {}
        return content if all(fits(content[key], kind) for key, kind in _RECORD.items() if key in content) else {}

    def is_running(self, name: str) -> bool:
        if process := self._own.get(name):
            return process.poll() is None  # also reaps it
        return _lives(self.record(name))

    def last_words(self, name: str) -> str:
        """The last line that it said."""
        try:
            with (self._directory / f"{name}.log").open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - 2000))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _lives(record: dict[str, Any]) -> bool:
    """Whether a recorded process is still the same one: ids are used again."""
    return bool(record.get("pid")) and _born(int(record["pid"])) == record.get("born") is not None


def _signal(record: dict[str, Any], number: signal.Signals) -> None:
    """Tell the recorded process; nothing where it has ended, be it this moment."""
    with contextlib.suppress(ProcessLookupError):
        if _lives(record):
            os.kill(int(record["pid"]), number)


def _born(pid: int) -> int | None:
    """When a process began, in ticks since boot; None where it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])
