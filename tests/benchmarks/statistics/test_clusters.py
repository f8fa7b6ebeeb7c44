from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import t as student
from statsmodels.api import OLS

from benchmarks.statistics.clusters import clustered_error, clustered_mean, clustered_ratio


def test_the_clustered_error_agrees_with_statsmodels_up_to_its_small_sample_factor() -> None:
    rng = np.random.default_rng(7)
    clusters = np.repeat(np.arange(30), 4)
    values = rng.normal(size=120) + np.repeat(rng.normal(size=30), 4)
    fit = OLS(values, np.ones(120)).fit(cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False})
    assert clustered_error(values, clusters.tolist()) == pytest.approx(fit.bse[0] * np.sqrt(30 / 29))


def test_the_clustered_mean_covers_the_truth_as_often_as_it_says_with_few_clusters_too() -> None:
    rng = np.random.default_rng(8)
    clusters, covered = [place // 5 for place in range(60)], 0
    for _ in range(400):
        values = rng.normal(size=60) + np.repeat(rng.normal(size=12), 5)
        interval = clustered_mean(values, clusters, rng=rng, draws=400)
        covered += interval.low <= 0 <= interval.high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_clustered_mean_agrees_with_students_interval_where_every_value_stands_alone() -> None:
    values = np.random.default_rng(9).normal(size=25)
    interval = clustered_mean(values, list(range(25)), rng=np.random.default_rng(1), draws=20_000)
    low, high = student.interval(0.95, 24, loc=values.mean(), scale=values.std(ddof=1) / 5)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.03)


def test_seconds_per_correct_answer_are_a_ratio_of_sums() -> None:
    interval = clustered_ratio([1.0, 2, 3, 2], [1.0, 0, 1, 1], list("abcd"), rng=np.random.default_rng(1))
    assert interval.estimate == pytest.approx(8 / 3)
    assert interval.low < 8 / 3 < interval.high


def test_resamples_without_anything_to_divide_by_make_the_high_end_infinite() -> None:
    interval = clustered_ratio([1.0] * 6, [1.0] + [0.0] * 5, list("abcdef"), rng=np.random.default_rng(1))
    assert interval.estimate == 6 and np.isinf(interval.high) and interval.low < 6


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda rng: clustered_mean([1.0, 0.0], ["a", "a"], rng=rng), "1 cluster; an interval needs at least 2"),
        (lambda rng: clustered_mean([1.0, 0.0], ["a"], rng=rng), "2 values and 1 clusters"),
        (lambda rng: clustered_ratio([1.0, 1.0], [0.0, 0.0], ["a", "b"], rng=rng), "nothing to divide by"),
    ],
)
def test_what_has_no_answer_raises(call: Callable[[np.random.Generator], object], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        call(np.random.default_rng(0))
