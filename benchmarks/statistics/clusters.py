"""Means, ratios and errors of values that come in clusters, such as prompts that share a template."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from benchmarks.runs.read import Row
from benchmarks.statistics.stats import CONFIDENCE, MANY, FloatArray, Interval, finite

_BATCH_VALUES = 2_000_000  # resampled values in memory at once: 16 MB


def cluster_of(row: Row) -> Hashable:
    """What makes a prompt's outcome depend on others': its template, within its suite and kind."""
    return (row.suite, row.kind, row.template) if row.template else (row.suite, row.prompt_id, None)


def clustered_mean(
    values: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable],
    *,
    rng: Generator,
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
    return clustered_ratio(values, np.ones(len(values)), clusters, rng=rng, draws=draws)


def clustered_ratio(
    numerators: Sequence[float] | FloatArray,
    denominators: Sequence[float] | FloatArray,
    clusters: Sequence[Hashable],
    *,
    rng: Generator,
    draws: int = 5_000,
) -> Interval:
    """Sum over sum, such as seconds per correct answer, with an interval as `clustered_mean`'s.

    The high end is infinite where a resample has nothing to divide by too often.

    Raises:
        ValueError: As `clustered_mean`, or the denominators' sum is not positive.
    """
    above, below = finite(numerators, "numerators"), finite(denominators, "denominators")
    index, count = _cluster_index(above.size, clusters)
    tops, bottoms = (np.bincount(index, weights=each, minlength=count).astype(np.float64) for each in (above, below))
    if bottoms.sum() <= 0 or below.size != above.size:
        raise ValueError(f"{above.size} over {below.size} values with the sum {bottoms.sum():g}: nothing to divide by")
    estimate = float(tops.sum() / bottoms.sum())
    if count > MANY:
        return _linearised(estimate, tops, bottoms, n=above.size)
    rows = max(1, _BATCH_VALUES // count)
    resamples = np.concatenate(
        [_resampled_ratios(tops, bottoms, rng, min(rows, draws - start)) for start in range(0, draws, rows)]
    )
    tail = (1 - _widened(count)) / 2
    # Without interpolation: between a finite ratio and an infinite one there is nothing.
    low, high = np.quantile(resamples, [tail, 1 - tail], method="inverted_cdf")
    return Interval(estimate=estimate, low=float(low), high=float(high), n=above.size)


def clustered_means(
    values: FloatArray, clusters: Sequence[Hashable], *, rng: Generator, draws: int = 1_000
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Means of many columns at once, with their intervals' low and high ends: each as `clustered_mean`'s.

    Args:
        values: One row per prompt, one column per figure; all columns are resampled together.

    Raises:
        ValueError: As `clustered_mean`.
    """
    index, count = _cluster_index(len(values), clusters)
    sums = np.zeros((count, values.shape[1]))
    np.add.at(sums, index, finite(values.ravel(), "values").reshape(values.shape))
    sizes = np.bincount(index, minlength=count).astype(np.float64)
    picked = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)
    resamples = (picked @ sums) / (picked @ sizes)[:, None]
    tail = (1 - _widened(count)) / 2
    low, high = np.quantile(resamples, [tail, 1 - tail], axis=0)
    return sums.sum(axis=0) / sizes.sum(), low, high


def _linearised(estimate: float, tops: FloatArray, bottoms: FloatArray, *, n: int) -> Interval:
    """The normal interval that the bootstrap's tends to, and quicker with thousands of clusters."""
    from scipy.stats import norm

    residuals = tops - estimate * bottoms
    reach = float(norm.ppf(0.5 + CONFIDENCE / 2) * np.sqrt((residuals**2).sum()) / bottoms.sum())
    return Interval(estimate=estimate, low=estimate - reach, high=estimate + reach, n=n)


def _resampled_ratios(tops: FloatArray, bottoms: FloatArray, rng: Generator, draws: int) -> FloatArray:
    picks = rng.integers(0, tops.size, size=(draws, tops.size))
    over, under = tops[picks].sum(axis=1), bottoms[picks].sum(axis=1)
    ratios: FloatArray = np.full(draws, np.inf)
    np.divide(over, under, out=ratios, where=under > 0)
    return ratios


def clustered_error(values: Sequence[float] | FloatArray, clusters: Sequence[Hashable]) -> float:
    """Standard error of the mean of values that share clusters.

    Raises:
        ValueError: As `clustered_mean`.

    Source: Miller 2024, arXiv:2411.00640, equation 4; with the factor C / (C - 1) for C clusters.
    """
    array = finite(values, "values")
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


def _widened(clusters: int) -> float:
    """The percentile interval's nominal confidence at which its half-width is Student's."""
    from scipy.stats import norm, t

    reach = t.ppf(0.5 + CONFIDENCE / 2, clusters - 1) * np.sqrt(clusters / (clusters - 1))
    return float(2 * norm.cdf(reach) - 1)
