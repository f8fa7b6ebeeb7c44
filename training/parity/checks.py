"""Whether an exported file is the model that was trained: each check is a value against a limit."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from data.tables import aligned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the parity table.

    Attributes:
        file: Name of the file it is about.
        limit: In words; empty where the value is only reported.
    """

    name: str
    file: str
    value: float | str
    limit: str
    passed: bool

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def perplexity(log_probabilities: "Sequence[float] | npt.NDArray[np.float32]") -> float:
    """exp of the mean negative log-probability."""
    return math.exp(-sum(map(float, log_probabilities)) / len(log_probabilities))


def at_most(name: str, file: str, value: float, limit: float) -> Check:
    return Check(name=name, file=file, value=_rounded(value), limit=f"at most {limit:g}", passed=value <= limit)


def at_least(name: str, file: str, value: float, limit: float) -> Check:
    return Check(name=name, file=file, value=_rounded(value), limit=f"at least {limit:g}", passed=value >= limit)


def equals(name: str, file: str, value: object, expected: object) -> Check:
    return Check(name=name, file=file, value=str(value), limit=f"is {expected}", passed=value == expected)


def reported(name: str, file: str, value: float) -> Check:
    return Check(name=name, file=file, value=_rounded(value), limit="", passed=True)


def table(checks: Sequence[Check]) -> str:
    """The checks as aligned text, failures marked."""
    rows = [
        (check.file, check.name, _text(check.value), check.limit, "" if check.passed else "FAILED") for check in checks
    ]
    head = ("file", "check", "value", "limit", "")
    return aligned([head, *rows])


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _text(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"
