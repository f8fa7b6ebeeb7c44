"""How far a run is: its last sample and the time left, on one line."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

from benchmarks.runs.read import Row
from data.progress import StatusLine, TimeLeft

_LINE_INTERVAL_S = 10.0


@dataclass(kw_only=True)
class RunProgress:
    """Counts finished samples and guesses the time left from those of this session."""

    total: int
    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    _line: StatusLine = field(init=False)
    _left: TimeLeft = field(init=False)

    def __post_init__(self) -> None:
        self._line = StatusLine(stream=self.stream, pause_s=_LINE_INTERVAL_S, terminal_pause_s=0.0, clock=self.clock)
        self._left = TimeLeft(total=self.total, first=self.done, clock=self.clock)

    def advance(self, row: Row) -> None:
        """One more sample is on disk."""
        self.done += 1
        line = f"{self.done}/{self.total}  {row.model}  {row.suite}/{row.prompt_id}  {_what(row)}  {self.time_left()}"
        self._line.show(line, at_once=self.done >= self.total)

    def leave_out(self) -> None:
        """One sample less to make."""
        self.total -= 1
        self._left.total -= 1

    def say(self, line: str) -> None:
        """A line of its own."""
        self._line.say(line)

    def end(self) -> None:
        """Leave the changing line."""
        self._line.end()

    def time_left(self) -> str:
        """Such as "about 3 min left"."""
        return self._left(self.done)


def _what(row: Row) -> str:
    if row.error:
        return f"error: {row.error}"
    speed = f"{row.decode_tok_per_s:.0f} tok/s" if row.decode_tok_per_s else "– tok/s"
    return speed if row.grade is None else f"{speed}, {'right' if row.grade >= 1 else 'wrong'}"
