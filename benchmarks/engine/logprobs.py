"""How likely a model held what it wrote."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class TokenLogprob:
    """A token of a reply, and how likely the model held it before anything was sampled, as natural logarithms.

    Attributes:
        top: The likeliest tokens in its place with theirs, best first.
    """

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...] = ()


def log_sum(logits: npt.NDArray[np.float32]) -> float:
    """Logarithm of the sum of their exponentials."""
    high = float(logits.max())
    return high + float(np.log(np.exp(logits - high).sum(dtype=np.float64)))


def likeliest(logits: npt.NDArray[np.float32], count: int) -> list[int]:
    """So many tokens of the highest logits, best first."""
    some = np.argpartition(logits, -count)[-count:] if 0 < count < logits.size else np.arange(logits.size)[:count]
    return [int(token) for token in some[np.argsort(-logits[some])]]
