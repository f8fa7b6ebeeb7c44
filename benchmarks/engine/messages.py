"""What goes over the pipe between `benchmarks.engine.worker` and `benchmarks.engine.process`, and who waits for it.

A module of its own: the process runs as `__main__`, and a class defined there would be another class here.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from benchmarks.engine.contract import Event, Finished, LoadOptions, Request, Timings


@dataclass(frozen=True, kw_only=True)
class Load:
    model: str
    path: Path
    options: LoadOptions
    engine: str


@dataclass(frozen=True, kw_only=True)
class Unload:
    model: str


@dataclass(frozen=True, kw_only=True)
class Submit:
    model: str
    request: Request


@dataclass(frozen=True, kw_only=True)
class Cancel:
    model: str
    request_id: int


@dataclass(frozen=True, kw_only=True)
class Inspect:
    """Asks an engine a question that has no events: `method` with this one argument."""

    model: str
    method: Literal["score", "distributions", "score_ends", "tokenize"]
    argument: Any


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Asks for the process's memory."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    rss_bytes: int
    peak_rss_bytes: int


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The result of call number `call`, or the one line that says why there is none."""

    call: int
    value: Any = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Happened:
    model: str
    event: Event


@dataclass(frozen=True, kw_only=True)
class Alive:
    """The loop of the process goes round: sent about once a second while a reply is being made.

    Attributes:
        silent: Now begins a command that may rightly take minutes (loading, scoring); its answer ends the silence.
    """

    silent: bool = False


Command = Load | Unload | Submit | Cancel | Inspect | Usage


@dataclass(kw_only=True)
class Call:
    """A command on its way; `handler` gets the events of the request that it starts."""

    answer: Future[Any] = field(default_factory=Future)
    model: str = ""
    handler: Callable[[Event], None] | None = None


@dataclass(kw_only=True)
class InFlight:
    """What is known of an unfinished reply, in case the process dies."""

    handler: Callable[[Event], None]
    prompt_tokens: int | None = 0
    text: str = ""
    completion_tokens: int = 0

    def ended(self, request_id: int, error: str) -> Finished:
        """Its end, where the process died."""
        return Finished(
            id=request_id,
            reason="error",
            text=self.text,
            completion_tokens=self.completion_tokens,
            timings=Timings(prompt_tokens=self.prompt_tokens),
            error=error,
        )
