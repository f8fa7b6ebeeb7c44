"""What a fetch reports while it works, and the two ways in which it ends early."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Stage = Literal["download", "verify", "quantize"]


class ModelError(Exception):
    """A model cannot be had; the message is one line and says what to do."""


class FetchCancelled(Exception):
    """The caller asked for an end; what was downloaded so far is kept for the next attempt."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far one stage of a fetch is.

    Attributes:
        model_id: The entry being made, which may be the base of the one asked for.
        total_bytes: None where it is not known.
    """

    model_id: str
    stage: Stage
    done_bytes: int
    total_bytes: int | None


OnProgress = Callable[[Progress], None]
IsCancelled = Callable[[], bool]


def ignore_progress(progress: Progress) -> None:
    """Default of `fetch`."""


def never_cancelled() -> bool:
    """Default of `fetch`."""
    return False
