"""Whether an exported file is the model that was trained: each check is a value against a limit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from data.tables import aligned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# A file may prefer another token where the reference finds both this close, in nats.
NEAR_TIE_NATS = 0.02


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


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """How far a file's next-token distributions are from the reference's.

    Attributes:
        mean_kl, max_kl: KL(reference || file), nats per token.
        top1: Share of positions with the same likeliest token, near ties counted as the same.
        tokens: Positions compared.
    """

    mean_kl: float
    max_kl: float
    top1: float
    tokens: int


def divergence(
    pairs: "Iterable[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]",
) -> Divergence:
    """Compare log-probabilities of the reference and of a file, each pair of shape (tokens, vocabulary).

    Raises:
        ValueError: Shapes differ, or there is nothing to compare.
    """
    import numpy as np

    kls: list[npt.NDArray[np.float64]] = []
    same = 0
    for reference, file in pairs:
        if reference.shape != file.shape:
            raise ValueError(f"shapes {reference.shape} and {file.shape} differ")
        for expected, found in zip(reference, file):
            wide = expected.astype(np.float64)
            kls.append(np.sum(np.exp(wide) * (wide - found.astype(np.float64))))
            same += bool(expected[int(found.argmax())] >= expected.max() - NEAR_TIE_NATS)
    if not kls:
        raise ValueError("nothing to compare")
    values = np.maximum(np.array(kls), 0)
    return Divergence(mean_kl=float(values.mean()), max_kl=float(values.max()), top1=same / len(kls), tokens=len(kls))


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
