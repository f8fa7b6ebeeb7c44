"""What the training commands share at their edge: progress with time left, and one line for every error."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from training.config import TrainingError

_INTERVAL_S = 5.0
# Read when the libraries are imported; their warnings are for programmers.
_QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DATASETS_VERBOSITY": "error", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}


@dataclass(kw_only=True)
class Counter:
    """Progress of one stage: a changing line on a terminal, now and then a line elsewhere."""

    stage: str
    total: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    clock: Callable[[], float] = time.monotonic
    _started_s: float = field(init=False)
    _shown_s: float = field(init=False)
    _ended: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._started_s = self._shown_s = self.clock()

    def show(self, done: int, note: str = "") -> None:
        """`done` of `total` are finished."""
        now, last = self.clock(), done >= self.total
        if self._ended or (not last and now - self._shown_s < (0.5 if self.stream.isatty() else _INTERVAL_S)):
            return
        self._shown_s, self._ended = now, last
        left = (now - self._started_s) / done * (self.total - done) if done else 0.0
        line = f"{self.stage}: {done:,}/{self.total:,}" + (f"  {note}" if note else "")
        line += "" if last or not done else f"  {duration(left)} left"
        end = "\n" if last else ""
        self.stream.write(f"\r\033[K{line[:118]}{end}" if self.stream.isatty() else f"{line}\n")
        self.stream.flush()


def duration(seconds: float) -> str:
    """Such as "42 s", "7 min" or "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def say(message: str) -> None:
    """A line on stderr, in place of an unfinished line of progress."""
    print(f"\r\033[K{message}" if sys.stderr.isatty() else message, file=sys.stderr, flush=True)


def quiet_libraries() -> None:
    """Keep the console for this project's own lines; call it before the libraries are imported. The user's own wins."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


def quiet_loading() -> None:
    """No bars for reading weights from the disk; downloads come before it and keep theirs."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def run_command(command: Callable[[], int], *, interrupted: str) -> int:
    """Exit code of a command; what goes wrong for a reason that is known becomes one line on stderr."""
    from benchmarks.engine.contract import EngineError
    from data.progress import ModelError
    from data.suites.prompts import SuiteError

    quiet_libraries()
    try:
        return command()
    except (TrainingError, ModelError, SuiteError, EngineError) as error:
        say(f"error: {error}")
        return 1
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"error: {where}{error.strerror or error}")
        return 1
    except KeyboardInterrupt:
        say(f"interrupted; {interrupted}")
        return 130
