"""Intervals and tests. scipy does the mathematics; empty input raises, it never becomes 0."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

FloatArray = npt.NDArray[np.float64]

CONFIDENCE = 0.95
"""Of every interval."""
MANY = 2_000
"""Above so many values, intervals are taken from what the bootstrap tends to, which is quicker."""
_BATCH_VALUES = 2_000_000  # resampled values in memory at once: 16 MB


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval, from `n` values."""

    estimate: float
    low: float
    high: float
    n: int


def points_text(interval: Interval, unit: str = "") -> str:
    """A difference of shares in points, with its ends: "+3.1 [+1.0, +5.2]", or with the unit before them."""
    return f"{100 * interval.estimate:+.1f}{unit} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def wilson(successes: int, n: int) -> Interval:
    """A share with its Wilson score interval, which stays within 0 and 1 and is not empty at 0 of n.

    Raises:
        ValueError: n is 0, or successes is not within 0 and n.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286, recommend it at small n.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: a share needs n of at least 1 and successes within 0 and n")
    interval = binomtest(successes, n).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    return Interval(estimate=successes / n, low=float(interval.low), high=float(interval.high), n=n)


def median_interval(values: Sequence[float] | FloatArray, *, rng: Generator, draws: int = 2_000) -> Interval:
    """The median with its percentile-bootstrap interval.

    Of many values it is taken between order statistics, which is what the bootstrap tends to, and quicker.

    Raises:
        ValueError: Fewer than 2 values, or one that is not finite.
    """
    array = finite(values, "values")
    if array.size > MANY:
        return _between_ranks(array)
    return _bootstrap((array,), np.median, rng, draws)


def _between_ranks(values: FloatArray) -> Interval:
    """Source: David and Nagaraja 2003, Order Statistics, section 7.1."""
    from scipy.stats import binom

    ordered = np.sort(values)
    low = int(binom.ppf((1 - CONFIDENCE) / 2, values.size, 0.5))
    ends = float(ordered[low]), float(ordered[values.size - 1 - low])
    return Interval(estimate=float(np.median(ordered)), low=ends[0], high=ends[1], n=values.size)


def mcnemar_exact(base_only: int, tuned_only: int) -> float:
    """Two-sided p-value that two models are right equally often, from the prompts that only one of them got right.

    Without any such prompt there is nothing against it, and p is 1.

    Raises:
        ValueError: A negative count.

    Source: McNemar 1947; the exact form is a sign test on the discordant pairs.
    """
    from scipy.stats import binomtest

    if base_only < 0 or tuned_only < 0:
        raise ValueError(f"counts are {base_only} and {tuned_only}; they cannot be negative")
    discordant = base_only + tuned_only
    return float(binomtest(tuned_only, discordant, 0.5).pvalue) if discordant else 1.0


def ratio_of_medians(
    numerators: Sequence[float] | FloatArray,
    denominators: Sequence[float] | FloatArray,
    *,
    rng: Generator,
) -> Interval:
    """Median over median of two independent samples, with its percentile-bootstrap interval.

    Raises:
        ValueError: Fewer than 2 values on either side, or one that is not finite and positive.
    """
    above, below = finite(numerators, "numerators"), finite(denominators, "denominators")
    if min(above.min(), below.min()) <= 0:
        raise ValueError("a ratio needs values above 0")
    return _bootstrap(
        (above, below), lambda above, below, axis: np.median(above, axis=axis) / np.median(below, axis=axis), rng
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for having looked at all of them, in their order; each is at least what it was.

    Raises:
        ValueError: A value outside 0 and 1.

    Source: Holm 1979.
    """
    given = np.asarray(p_values, dtype=np.float64)
    if given.size and not ((given >= 0) & (given <= 1)).all():
        raise ValueError("a p-value lies between 0 and 1")
    order = np.argsort(given, kind="stable")
    stepped = np.minimum(1.0, np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1)))
    adjusted = np.empty_like(stepped)
    adjusted[order] = stepped
    return [float(value) for value in adjusted]


def finite(values: Sequence[float] | FloatArray, name: str) -> FloatArray:
    """The values as an array.

    Raises:
        ValueError: Fewer than 2, or one that is not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < 2:
        raise ValueError(f"{name} has shape {array.shape}; an interval needs a list of at least 2 values")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; leave out what was not measured")
    return array


def _bootstrap(
    samples: tuple[FloatArray, ...], statistic: Callable[..., FloatArray], rng: Generator, draws: int = 2_000
) -> Interval:
    """The percentile interval of a statistic of independent samples; `n` is the size of the smallest."""
    from scipy.stats import bootstrap

    estimate, n = float(statistic(*samples, axis=0)), min(sample.size for sample in samples)
    if all(np.ptp(sample) == 0 for sample in samples):  # scipy warns of a degenerate distribution
        return Interval(estimate=estimate, low=estimate, high=estimate, n=n)
    found = bootstrap(
        samples,
        statistic,
        n_resamples=draws,
        batch=max(1, _BATCH_VALUES // max(sample.size for sample in samples)),
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=rng,
    ).confidence_interval
    return Interval(estimate=estimate, low=float(found.low), high=float(found.high), n=n)


_SMALLEST_P = 1e-12


def mcnemar_power(pairs: int, discordant: float, difference: float, *, alpha: float = 0.05) -> float:
    """Probability that the exact, two-sided McNemar test finds a true difference.

    Args:
        pairs: Prompts that both models answered.
        discordant: Share of prompts that only one of the two gets right.
        difference: Share that the better one alone gets right less that of the other; at most `discordant`.

    Raises:
        ValueError: Fewer than 1 pair, or shares out of order.
    """
    from scipy.stats import binom

    if pairs < 1 or not 0 <= abs(difference) <= discordant <= 1:
        raise ValueError(
            f"{pairs} pairs, {discordant} discordant, difference {difference}: 0 <= |d| <= discordant <= 1"
        )
    if discordant == 0:
        return 0.0
    counts = np.arange(pairs + 1)
    weights: FloatArray = binom.pmf(counts, pairs, discordant)
    wins = (1 + abs(difference) / discordant) / 2
    # The largest k whose two-sided p-value, 2 P(X <= k), is at most alpha; -1 where there is none.
    lowest = binom.ppf(alpha / 2, counts, 0.5)
    lowest = np.where(2 * binom.cdf(lowest, counts, 0.5) <= alpha, lowest, lowest - 1)
    found = binom.cdf(lowest, counts, wins) + binom.sf(counts - lowest - 1, counts, wins)
    return float((weights * np.where(lowest >= 0, found, 0.0)).sum())


def detectable_difference(pairs: float, discordant: float, *, power: float = 0.8, alpha: float = 0.05) -> float | None:
    """The smallest true difference in share correct that would be found with this power; None where not even 1 would.

    Args:
        pairs: Prompts; fewer than there are where they share templates (the design effect divides them).
        discordant: Share of prompts that only one of the two gets right, as seen. A larger difference than that is
            possible only with more of them, so it counts as at least the difference itself.
    """
    from scipy.optimize import brentq

    count = max(1, int(pairs))

    def missing(difference: float) -> float:
        return mcnemar_power(count, max(discordant, difference), difference, alpha=alpha) - power

    if missing(1.0) < 0:
        return None
    return float(brentq(missing, _SMALLEST_P, 1.0, xtol=1e-4))
