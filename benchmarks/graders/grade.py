"""What a grader is and what it says."""

from dataclasses import dataclass
from typing import Any, Protocol

from data.errors import TradeoffError

MAX_ANSWER_CHARACTERS = 8000


class GraderError(TradeoffError):
    """A grader's configuration that cannot be used; one line saying what is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Grade:
    """A verdict on one answer.

    Attributes:
        value: 1 right, 0 wrong. None could not be graded, which is not 0: it says something about the grader
            (out of time), never about the model. An answer that evades the question is wrong.
        reason: One line for the person who reads the samples.
    """

    value: float | None
    reason: str


class Grader(Protocol):
    """A pure function of the answer; options come from the suite, by keyword.

    It raises `GraderError` for options that make no sense, whatever the answer.
    """

    def __call__(self, answer: str, /, *args: Any, **options: Any) -> Grade: ...


def right(reason: str) -> Grade:
    return Grade(value=1.0, reason=reason)


def wrong(reason: str) -> Grade:
    return Grade(value=0.0, reason=reason)


def shown(text: str, limit: int = 80) -> str:
    """Text for a reason: one line, quoted, shortened."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= limit else flat[: limit - 1] + "…")
