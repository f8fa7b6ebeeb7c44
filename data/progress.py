"""How far something is: what a fetch reports while it works, and the one way in which commands show it."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TextIO

Stage = Literal["download", "verify", "copy", "merge", "quantize"]
_COLUMNS = 118


class FetchCancelled(Exception):
    """The caller asked for an end; what was downloaded so far is kept for the next attempt."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one stage of a fetch is.

    Attributes:
        model_id: The entry being made, which may be the base of the one asked for.
        stage: "copy" drops layers.
        total_bytes: None where it is not known.
        note: A line on what happened, said once, such as that another source is asked.
    """

    model_id: str
    stage: Stage
    done_bytes: int
    total_bytes: int | None
    note: str | None = None


OnProgress = Callable[[Progress], None]
IsCancelled = Callable[[], bool]


def reporter(model_id: str, stage: Stage, total: int | None, progress: OnProgress) -> Callable[[int], None]:
    """Reports bytes of one stage."""
    return lambda done: progress(Progress(model_id=model_id, stage=stage, done_bytes=done, total_bytes=total))


def counted_from(before: int, report: Callable[[int], None]) -> Callable[[int], None]:
    """Reports the bytes of one file of several, of which those before it have so many."""
    return lambda done: report(before + done)


def ignore_progress(progress: Progress) -> None:
    """Default of `fetch`."""


def never_cancelled() -> bool:
    """Default of `fetch`."""
    return False


@dataclass(kw_only=True)
class StatusLine:
    """One changing line on a terminal, and now and then a line elsewhere.

    Attributes:
        pause_s: Between two lines on a stream that is no terminal.
        terminal_pause_s: Between two changes on a terminal.
        shown_s: By the clock, when something was shown last; what is short shows nothing where this is the start.
    """

    stream: TextIO
    pause_s: float = 5.0
    terminal_pause_s: float = 0.1
    clock: Callable[[], float] = time.monotonic
    shown_s: float = float("-inf")
    _open: bool = field(init=False, default=False)

    def say(self, text: str) -> None:
        """A whole line that stays."""
        self.stream.write(f"\r\033[K{text}\n" if self.stream.isatty() else f"{text}\n")
        self.stream.flush()
        self._open = False

    def show(self, text: str, *, at_once: bool = False) -> None:
        """Show it, unless something was shown a moment ago; `at_once` shows it whenever it comes."""
        terminal, now = self.stream.isatty(), self.clock()
        if not at_once and now - self.shown_s < (self.terminal_pause_s if terminal else self.pause_s):
            return
        self.shown_s, self._open = now, terminal
        self.stream.write(f"\r\033[K{text[:_COLUMNS]}" if terminal else f"{text}\n")
        self.stream.flush()

    def end(self) -> None:
        """Leave the changing line, so that what follows starts on its own."""
        if self._open:
            self.stream.write("\n")
            self._open = False


class ProgressPrinter:
    """Progress on stderr: one updating line on a terminal, else a line for each stage and every few seconds."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._line, self._stage = StatusLine(stream=stream, clock=clock), ("", "")

    def __call__(self, progress: Progress) -> None:
        if progress.note:
            self._line.say(f"{progress.model_id}: {progress.note}")
            self._stage = ("", "")
            return
        stage = (progress.model_id, progress.stage)
        self._line.show(_words(progress), at_once=stage != self._stage)
        self._stage = stage

    def end_line(self) -> None:
        """Leave the updating line, so that what follows starts on its own."""
        self._line.end()


def _words(progress: Progress) -> str:
    text = f"{progress.model_id}: {progress.stage}"
    done, total = progress.done_bytes, progress.total_bytes
    if total:
        return f"{text} {done / 1e6:,.0f} of {total / 1e6:,.0f} MB ({100 * done // total}%)"
    return f"{text} {done / 1e6:,.0f} MB" if done else text


@dataclass(kw_only=True)
class TimeLeft:
    """Guesses the time left of a countable job from what was done since the start."""

    total: int
    first: int = 0
    clock: Callable[[], float] = time.monotonic
    _started_s: float = field(init=False)

    def __post_init__(self) -> None:
        self._started_s = self.clock()

    def __call__(self, done: int) -> str:
        """Such as "about 3 min left"; empty before the first and after the last."""
        made = done - self.first
        if made < 1 or done >= self.total:
            return ""
        return f"about {duration((self.clock() - self._started_s) / made * (self.total - done))} left"


class Counter:
    """Progress of one stage that can be counted, such as "tokenizing: 1,200/5,000  about 3 min left"."""

    def __init__(self, stage: str, total: int) -> None:
        self.stage, self.total = stage, total
        self._line = StatusLine(stream=sys.stderr, terminal_pause_s=0.5, shown_s=time.monotonic())
        self._left = TimeLeft(total=total)
        self._ended = False

    def show(self, done: int, note: str = "") -> None:
        """`done` of `total` are finished."""
        if self._ended:
            return
        self._ended = done >= self.total
        parts = (f"{self.stage}: {done:,}/{self.total:,}", note, self._left(done))
        self._line.show("  ".join(filter(None, parts)), at_once=self._ended)
        if self._ended:
            self._line.end()


def duration(seconds: float) -> str:
    """Such as "42 s", "7 min" or "3 h 05 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
