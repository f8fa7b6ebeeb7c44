from collections.abc import Callable

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks.statistics.stats import (
    holm,
    mcnemar_exact,
    median_interval,
    ratio_of_medians,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_newcombes_table(successes: int, n: int, low: float, high: float) -> None:
    interval = wilson(successes, n)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.estimate == successes / n


@pytest.mark.parametrize("n", [1, 7, 40, 1000])
def test_wilson_agrees_with_statsmodels_and_stays_within_0_and_1(n: int) -> None:
    for successes in {0, n // 3, n}:
        interval = wilson(successes, n)
        expected = proportion_confint(successes, n, method="wilson")
        assert (interval.low, interval.high) == pytest.approx(expected, abs=1e-12)
        assert 0 <= interval.low <= interval.estimate <= interval.high <= 1


@pytest.mark.parametrize(("base_only", "tuned_only"), [(0, 5), (3, 9), (10, 10), (1, 0), (40, 60)])
def test_mcnemar_agrees_with_statsmodels_and_has_no_direction(base_only: int, tuned_only: int) -> None:
    expected = mcnemar([[0, base_only], [tuned_only, 0]], exact=True).pvalue
    assert mcnemar_exact(base_only, tuned_only) == pytest.approx(expected)
    assert mcnemar_exact(base_only, tuned_only) == mcnemar_exact(tuned_only, base_only)


def test_mcnemar_has_nothing_to_say_without_discordant_prompts() -> None:
    assert mcnemar_exact(0, 0) == 1
    assert mcnemar_exact(0, 5) == pytest.approx(2 * 0.5**5)


def test_the_median_interval_covers_the_true_median_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(300):
        interval = median_interval(rng.normal(size=41), rng=rng, draws=400)
        covered += interval.low <= 0 <= interval.high
    assert 0.90 <= covered / 300 <= 0.99


def test_one_slow_sample_moves_the_median_hardly() -> None:
    interval = median_interval([100.0] * 20 + [1.0], rng=np.random.default_rng(5))
    assert (interval.estimate, interval.low, interval.high) == (100, 100, 100)


def test_the_same_generator_gives_the_same_interval() -> None:
    values = [1.0, 5.0, 2.0, 8.0, 3.0]
    once, again = (median_interval(values, rng=np.random.default_rng(6)) for _ in range(2))
    assert once == again


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda rng: wilson(0, 0), "0 of 0"),
        (lambda rng: wilson(5, 4), "5 of 4"),
        (lambda rng: median_interval([], rng=rng), "at least 2 values"),
        (lambda rng: median_interval([1.0], rng=rng), "at least 2 values"),
        (lambda rng: median_interval([1.0, np.nan], rng=rng), "NaN or infinity"),
        (lambda rng: mcnemar_exact(-1, 2), "cannot be negative"),
        (lambda rng: ratio_of_medians([1.0, 2.0], [0.0, 1.0], rng=rng), "values above 0"),
        (lambda rng: holm([0.5, 1.5]), "between 0 and 1"),
    ],
)
def test_what_has_no_answer_raises_and_does_not_become_0(
    call: Callable[[np.random.Generator], object], wanted: str
) -> None:
    with pytest.raises(ValueError, match=wanted):
        call(np.random.default_rng(0))


def test_holm_agrees_with_statsmodels() -> None:
    for p_values in ([0.01, 0.04, 0.03, 0.005], [0.5], [0.2, 0.9, 1.0], [0.05, 0.05, 0.0]):
        assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert holm([]) == []


def test_the_median_of_many_values_has_the_interval_that_the_bootstrap_gives() -> None:
    values = np.random.default_rng(10).exponential(size=2_001)
    many = median_interval(values, rng=np.random.default_rng(1))
    fewer = median_interval(values[:2_000], rng=np.random.default_rng(1))
    assert (many.low, many.high) == pytest.approx((fewer.low, fewer.high), rel=0.02)


def test_a_ratio_of_medians_is_one_for_equal_samples() -> None:
    values = [9.0, 10, 11, 10, 12]
    interval = ratio_of_medians(values, values, rng=np.random.default_rng(1))
    assert interval.estimate == 1 and interval.low < 1 < interval.high
