"""What is taken from another tool's log, whichever tool wrote it."""

from collections import Counter
from dataclasses import dataclass

from data.errors import TradeoffError
from data.records import fits, shown

_MOST_COUNTED = 2**31


class LogError(TradeoffError):
    """A log that cannot be read as one; one line with the file and what to do."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One graded sample.

    Attributes:
        id: Of the question, the same for every model that was asked it.
        repetition: From 0.
        grade: From 0 to 1; None where the tool gave none.
        error: Why there is no answer; one line.
    """

    id: str
    repetition: int
    grade: float | None
    text: str | None
    prompt_sha256: str | None = None
    completion_tokens: int | None = None
    error: str | None = None


@dataclass(frozen=True, kw_only=True)
class Log:
    """One task, as one model did it.

    Attributes:
        model: What the tool calls it.
        metric: The score that grades are.
        tool: Its name and version.
        made_at: UTC, ISO 8601.

    Raises:
        LogError: A question is answered twice.
    """

    model: str
    task: str
    metric: str
    tool: str
    made_at: str
    answers: tuple[Answer, ...]

    def __post_init__(self) -> None:
        counts = Counter((answer.id, answer.repetition) for answer in self.answers)
        if doubled := next((key for key, count in counts.items() if count > 1), None):
            raise LogError(
                f"{self.task} of {self.model}: question {shown(doubled[0])} is answered twice; "
                "are two logs in one file? Give each its own"
            )


def choose(wanted: str | None, known: list[str], where: str) -> str:
    """The score that was asked for, or the first.

    Raises:
        LogError: It is not there, or nothing is.
    """
    printable = [name for name in known if name.isprintable()]
    if not printable:
        raise LogError(f"{where}: no score in it; was the model's work scored?")
    if wanted is not None and wanted not in printable:
        raise LogError(f"{where}: no metric {wanted!r}; it has {', '.join(printable)}")
    return wanted or printable[0]


def count(value: object) -> int | None:
    """A whole number that may have been counted; None of anything else."""
    return value if fits(value, int) and 0 <= value < _MOST_COUNTED else None  # type: ignore[operator, return-value]


def share(value: object, metric: str, where: str) -> float:
    """A score as a grade.

    Raises:
        LogError: It is no number from 0 to 1.
    """
    if isinstance(value, bool | int | float) and 0 <= value <= 1:
        return float(value)
    raise LogError(f"{where}: {metric} is {value!r:.60}, no number from 0 to 1; choose another with --metric")
