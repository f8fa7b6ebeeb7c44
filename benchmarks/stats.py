"""Intervals and tests. scipy does the mathematics; empty input raises, it never becomes 0."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

FloatArray = npt.NDArray[np.float64]

_MANY = 2_000
_BATCH_VALUES = 2_000_000  # resampled values in memory at once: 16 MB


@dataclass(frozen=True, kw_only=True)
class Interval:
    """An estimate with its confidence interval, from `n` values."""

    estimate: float
    low: float
    high: float
    n: int


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """A share with its Wilson score interval, which stays within 0 and 1 and is not empty at 0 of n.

    Raises:
        ValueError: n is 0, or successes is not within 0 and n.

    Source: Wilson 1927; Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286, recommend it at small n.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} of {n}: a share needs n of at least 1 and successes within 0 and n")
    interval = binomtest(successes, n).proportion_ci(confidence_level=confidence, method="wilson")
    return Interval(estimate=successes / n, low=float(interval.low), high=float(interval.high), n=n)


def median_interval(
    values: Sequence[float] | FloatArray, *, rng: Generator, confidence: float = 0.95, draws: int = 2_000
) -> Interval:
    """The median with its percentile-bootstrap interval.

    Of many values it is taken between order statistics, which is what the bootstrap tends to, and quicker.

    Raises:
        ValueError: Fewer than 2 values, or one that is not finite.
    """
    array = _finite(values, "values")
    if array.size > _MANY:
        return _between_ranks(array, confidence)
    return _bootstrap(array, np.median, rng=rng, confidence=confidence, draws=draws)


def _between_ranks(values: FloatArray, confidence: float) -> Interval:
    """Source: David and Nagaraja 2003, Order Statistics, section 7.1."""
    from scipy.stats import binom

    ordered = np.sort(values)
    low = int(binom.ppf((1 - confidence) / 2, values.size, 0.5))
    ends = float(ordered[low]), float(ordered[values.size - 1 - low])
    return Interval(estimate=float(np.median(ordered)), low=ends[0], high=ends[1], n=values.size)


def paired_difference(
    base: Sequence[float] | FloatArray,
    tuned: Sequence[float] | FloatArray,
    *,
    rng: Generator,
    confidence: float = 0.95,
    draws: int = 10_000,
) -> Interval:
    """Mean of tuned - base with its percentile-bootstrap interval.

    Prompts, not answers, are resampled: both models saw the same prompts.

    Args:
        base, tuned: Scores in [0, 1], shape (n_prompts,), same prompt order.
        draws: Bootstrap resamples.

    Raises:
        ValueError: Shapes differ, fewer than 2 prompts, or a value that is not finite.

    Source: Miller 2024, arXiv:2411.00640.
    """
    before, after = _finite(base, "base"), _finite(tuned, "tuned")
    if before.shape != after.shape:
        raise ValueError(f"base has {before.size} prompts and tuned {after.size}; pair them by prompt first")
    return _bootstrap(after - before, np.mean, rng=rng, confidence=confidence, draws=draws)


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


def clustered_mean(
    values: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable],
    *,
    rng: Generator,
    confidence: float = 0.95,
    draws: int = 5_000,
) -> Interval:
    """The mean, with a percentile-bootstrap interval that resamples whole clusters.

    Prompts from one template rise and fall together, so they are no independent witnesses. With few clusters the plain
    percentile interval is too short; it is widened to what Student's t would give.

    Args:
        values: One per prompt, such as a difference between two models.
        clusters: Which cluster each value belongs to.

    Raises:
        ValueError: Fewer than 2 values or clusters, lengths differ, or a value that is not finite.

    Source: Miller 2024, arXiv:2411.00640; Hesterberg 2015, doi:10.1080/00031305.2015.1089789, section 5.3.
    """
    return clustered_ratio(values, np.ones(len(values)), clusters, rng=rng, confidence=confidence, draws=draws)


def clustered_ratio(
    numerators: Sequence[float] | FloatArray,
    denominators: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable],
    *,
    rng: Generator,
    confidence: float = 0.95,
    draws: int = 5_000,
) -> Interval:
    """Sum over sum, such as seconds per correct answer, with an interval as `clustered_mean`'s.

    The high end is infinite where a resample has nothing to divide by too often.

    Raises:
        ValueError: As `clustered_mean`, or the denominators' sum is not positive.
    """
    above, below = _finite(numerators, "numerators"), _finite(denominators, "denominators")
    index, count = _cluster_index(above.size, clusters)
    tops, bottoms = (np.bincount(index, weights=each, minlength=count) for each in (above, below))
    if bottoms.sum() <= 0 or below.size != above.size:
        raise ValueError(f"{above.size} over {below.size} values with the sum {bottoms.sum():g}: nothing to divide by")
    estimate = float(tops.sum() / bottoms.sum())
    if np.ptp(tops - estimate * bottoms) < 1e-12:  # scipy warns of a degenerate distribution
        return Interval(estimate=estimate, low=estimate, high=estimate, n=above.size)
    from scipy.stats import bootstrap

    def ratio(tops: FloatArray, bottoms: FloatArray, axis: int) -> FloatArray:
        over: FloatArray = np.asarray(tops.sum(axis=axis))
        under: FloatArray = np.asarray(bottoms.sum(axis=axis))
        return np.divide(over, under, out=np.full_like(over, np.inf), where=under > 0)

    result = bootstrap(
        (tops, bottoms),
        ratio,
        paired=True,
        n_resamples=draws,
        batch=max(1, _BATCH_VALUES // count),
        confidence_level=_widened(confidence, count),
        method="percentile",
        rng=rng,
    )
    interval = result.confidence_interval
    return Interval(estimate=estimate, low=float(interval.low), high=float(interval.high), n=above.size)


def clustered_error(values: Sequence[float] | FloatArray, clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean of values that share clusters.

    Raises:
        ValueError: As `clustered_mean`.

    Source: Miller 2024, arXiv:2411.00640, equation 4; with the factor C / (C - 1) for C clusters.
    """
    array = _finite(values, "values")
    index, count = _cluster_index(array.size, clusters)
    sums, sizes = np.bincount(index, weights=array, minlength=count), np.bincount(index, minlength=count)
    residuals = sums - sums.sum() / sizes.sum() * sizes
    return float(np.sqrt((residuals**2).sum() * count / (count - 1)) / sizes.sum())


def _cluster_index(size: int, clusters: Sequence[Hashable]) -> tuple[npt.NDArray[np.intp], int]:
    """Number of each value's cluster, and how many there are."""
    places = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    if len(clusters) != size:
        raise ValueError(f"{size} values and {len(clusters)} clusters; give each value its cluster")
    if len(places) < 2:
        raise ValueError(f"{len(places)} cluster; an interval needs at least 2")
    return np.fromiter((places[cluster] for cluster in clusters), dtype=np.intp, count=size), len(places)


def _widened(confidence: float, clusters: int) -> float:
    """The percentile interval's nominal confidence at which its half-width is Student's."""
    from scipy.stats import norm, t

    reach = t.ppf(0.5 + confidence / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1))
    return float(2 * norm.cdf(reach) - 1)


def ratio_of_medians(
    numerators: Sequence[float] | FloatArray,
    denominators: Sequence[float] | FloatArray,
    *,
    rng: Generator,
    confidence: float = 0.95,
    draws: int = 2_000,
) -> Interval:
    """Median over median of two independent samples, with its percentile-bootstrap interval.

    Raises:
        ValueError: Fewer than 2 values on either side, or one that is not finite and positive.
    """
    above, below = _finite(numerators, "numerators"), _finite(denominators, "denominators")
    if min(above.min(), below.min()) <= 0:
        raise ValueError("a ratio needs values above 0")
    estimate = float(np.median(above) / np.median(below))
    if np.ptp(above) == 0 and np.ptp(below) == 0:
        return Interval(estimate=estimate, low=estimate, high=estimate, n=min(above.size, below.size))
    from scipy.stats import bootstrap

    result = bootstrap(
        (above, below),
        lambda above, below, axis: np.median(above, axis=axis) / np.median(below, axis=axis),
        n_resamples=draws,
        batch=max(1, _BATCH_VALUES // max(above.size, below.size)),
        confidence_level=confidence,
        method="percentile",
        rng=rng,
    )
    interval = result.confidence_interval
    low, high = float(interval.low), float(interval.high)
    return Interval(estimate=estimate, low=low, high=high, n=min(above.size, below.size))


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


def _finite(values: Sequence[float] | FloatArray, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size < 2:
        raise ValueError(f"{name} has shape {array.shape}; an interval needs a list of at least 2 values")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity; leave out what was not measured")
    return array


def _bootstrap(
    values: FloatArray,
    statistic: Callable[..., np.float64],
    *,
    rng: Generator,
    confidence: float,
    draws: int,
) -> Interval:
    from scipy.stats import bootstrap

    estimate = float(statistic(values))
    if values.min() == values.max():  # scipy warns of a degenerate distribution
        return Interval(estimate=estimate, low=estimate, high=estimate, n=values.size)
    result = bootstrap(
        (values,),
        statistic,
        n_resamples=draws,
        batch=max(1, _BATCH_VALUES // values.size),
        confidence_level=confidence,
        method="percentile",
        rng=rng,
    )
    interval = result.confidence_interval
    return Interval(estimate=estimate, low=float(interval.low), high=float(interval.high), n=values.size)
