"""How far a run is, on stderr: one line that changes on a terminal, and now and then a line elsewhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from benchmarks.runs import Row

_LINE_INTERVAL_S = 10.0


@dataclass(kw_only=True)
class RunProgress:
    """Counts finished samples and guesses the time left from those of this session."""

    total: int
    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    _started_s: float = field(init=False)
    _first: int = field(init=False)
    _shown_s: float = field(init=False, default=float("-inf"))

    def __post_init__(self) -> None:
        self._started_s, self._first = self.clock(), self.done

    def advance(self, row: Row) -> None:
        """One more sample is on disk."""
        self.done += 1
        terminal = self.stream.isatty()
        if not terminal and self.done < self.total and self.clock() - self._shown_s < _LINE_INTERVAL_S:
            return
        self._shown_s = self.clock()
        line = f"{self.done}/{self.total}  {row.model}  {row.suite}/{row.prompt_id}  {_what(row)}  {self.time_left()}"
        self.stream.write(f"\r\033[K{line[:118]}" if terminal else f"{line}\n")
        self.stream.flush()

    def say(self, line: str) -> None:
        """A line of its own."""
        self.stream.write(f"\r\033[K{line}\n" if self.stream.isatty() else f"{line}\n")
        self.stream.flush()

    def end(self) -> None:
        """Leave the changing line."""
        if self.stream.isatty():
            self.stream.write("\n")

    def time_left(self) -> str:
        """Such as "about 3 min left"."""
        made = self.done - self._first
        if made < 1 or self.done >= self.total:
            return ""
        seconds = (self.clock() - self._started_s) / made * (self.total - self.done)
        return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def _what(row: Row) -> str:
    if row.error:
        return f"error: {row.error}"
    speed = f"{row.decode_tok_per_s:.0f} tok/s" if row.decode_tok_per_s else "– tok/s"
    return speed if row.grade is None else f"{speed}, {'right' if row.grade >= 1 else 'wrong'}"
