"""What a fetch reports while it works, and the two ways in which it ends early."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["download", "verify", "copy", "merge", "quantize"]


class ModelError(Exception):
    """A model cannot be had; the message is one line and says what to do."""


class FetchCancelled(Exception):
    """The caller asked for an end; what was downloaded so far is kept for the next attempt."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one stage of a fetch is.

    Attributes:
        model_id: The entry being made, which may be the base of the one asked for.
        stage: "copy" drops layers.
        total_bytes: None where it is not known.
    """

    model_id: str
    stage: Stage
    done_bytes: int
    total_bytes: int | None


OnProgress = Callable[[Progress], None]
IsCancelled = Callable[[], bool]


def reporter(model_id: str, stage: Stage, total: int | None, progress: OnProgress) -> Callable[[int], None]:
    """Reports bytes of one stage."""
    return lambda done: progress(Progress(model_id=model_id, stage=stage, done_bytes=done, total_bytes=total))


def ignore_progress(progress: Progress) -> None:
    """Default of `fetch`."""


def never_cancelled() -> bool:
    """Default of `fetch`."""
    return False
