"""Questions that may take for ever, answered by a process of their own within two seconds, or not at all.

A regular expression can take longer than the universe on 40 characters, and a formula too; Python can interrupt neither
from another thread. One child serves the whole process: it starts at the first question (about 50 ms, and a second more
for the first formula), answers a typical one in less than 2 ms, and is ended when it takes too long.
"""

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TIME_LIMIT_S = 2.0
_START_LIMIT_S = 60.0
"""The first formula waits for the library; a busy machine takes long to read it."""

_CHILD = Path(__file__).with_name("bounded_child.py")


class OutOfTime(Exception):
    """No answer within the limit."""


class BoundedError(Exception):
    """The child could not be started, or failed; one line."""


class _Child:
    """A running child; `ask` may be called by one thread at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-I", str(_CHILD)]
        self.owner = os.getpid()
        self._loaded: set[str] = set()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    def ask(self, question: Mapping[str, Any]) -> Any:
        task = str(question["task"])
        limit_s = TIME_LIMIT_S if task in self._loaded else _START_LIMIT_S
        if task not in self._loaded:
            self._told({"task": task, "load": True}, limit_s)
            self._loaded.add(task)
        return self._told(question, TIME_LIMIT_S)

    def _told(self, question: Mapping[str, Any], limit_s: float) -> Any:
        assert self._process.stdin and self._process.stdout
        line = json.dumps({**question, "limit_s": limit_s}).encode() + b"\n"
        until = time.monotonic() + limit_s
        try:
            while line:
                line = line[self._process.stdin.write(line) or 0 :]
        except OSError as error:
            raise BoundedError(f"the process for bounded questions has ended ({error.strerror})") from None
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN | select.POLLHUP)
        told = b""
        while not told.endswith(b"\n"):
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise OutOfTime
            if not (part := os.read(self._process.stdout.fileno(), 65536)):
                raise BoundedError("the process for bounded questions has ended")
            told += part
        reply = json.loads(told)
        if "error" in reply:
            raise BoundedError(reply["error"])
        return reply["value"]

    def end(self) -> None:
        if self.owner == os.getpid():
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


_lock = threading.Lock()
_child: _Child | None = None


def ask(question: Mapping[str, Any]) -> Any:
    """The child's answer to a question: see `bounded_child`. Safe to call from any thread.

    Raises:
        OutOfTime: It took longer than two seconds; the next question gets a new child.
        BoundedError: The child failed.
    """
    global _child
    with _lock:
        if _child is None or _child.owner != os.getpid():
            _child = _Child()
        try:
            return _child.ask(question)
        except (OutOfTime, BoundedError):
            _end()
            raise


def _end() -> None:
    global _child
    if _child is not None:
        _child.end()
        _child = None


atexit.register(_end)
