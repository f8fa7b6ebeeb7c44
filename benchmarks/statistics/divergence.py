"""How far a file's next-token distributions are from a reference's, over the same tokens."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# A file may prefer another token where the reference finds both this close, in nats.
NEAR_TIE_NATS = 0.02

LogProbabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """How far a file's next-token distributions are from the reference's.

    Attributes:
        mean_kl, p99_kl, max_kl: KL(reference || file), nats per token.
        error_kl: Standard error of the mean, from the texts' own means; 0 where there is one text.
        top1: Share of positions with the same likeliest token, near ties counted as the same if they were asked for.
        tokens: Positions compared.
    """

    mean_kl: float
    p99_kl: float
    max_kl: float
    error_kl: float
    top1: float
    tokens: int


def divergence(
    pairs: Iterable[tuple[LogProbabilities, LogProbabilities]], *, near_tie_nats: float = NEAR_TIE_NATS
) -> Divergence:
    """Compare log-probabilities of the reference and of a file, each pair of shape (tokens, vocabulary).

    Raises:
        ValueError: Shapes differ, or there is nothing to compare.
    """
    texts: list[npt.NDArray[np.float64]] = []
    same = 0
    for reference, file in pairs:
        if reference.shape != file.shape:
            raise ValueError(f"shapes {reference.shape} and {file.shape} differ")
        kls = []
        for expected, found in zip(reference, file):
            wide = expected.astype(np.float64)
            kls.append(np.sum(np.exp(wide) * (wide - found.astype(np.float64))))
            same += bool(expected[int(found.argmax())] >= expected.max() - near_tie_nats)
        texts.append(np.maximum(np.array(kls), 0))
    if not texts:
        raise ValueError("nothing to compare")
    values = np.concatenate(texts)
    means = np.array([text.mean() for text in texts])
    return Divergence(
        mean_kl=float(values.mean()),
        p99_kl=float(np.quantile(values, 0.99)),
        max_kl=float(values.max()),
        error_kl=float(means.std(ddof=1) / len(means) ** 0.5) if len(means) > 1 else 0.0,
        top1=same / len(values),
        tokens=len(values),
    )
