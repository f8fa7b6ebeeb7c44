from collections.abc import Callable

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from benchmarks.statistics.pairs import ALPHA, Scores, compare_scores
from benchmarks.statistics.stats import (
    detectable_difference,
    holm,
    mcnemar_exact,
    mcnemar_power,
    median_interval,
    ratio_of_medians,
    wilson,
)
from tests.benchmarks.made_scores import simulated_pair


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


@pytest.mark.slow
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


SIMULATIONS = 2_000


@pytest.mark.parametrize(("pairs", "discordant", "difference"), [(40, 0.4, 0.3), (120, 0.2, 0.08), (25, 0.5, 0.5)])
def test_the_power_is_how_often_the_test_finds_the_difference(pairs: int, discordant: float, difference: float) -> None:
    rng = np.random.default_rng(1)
    split = [(discordant + difference) / 2, (discordant - difference) / 2, 1 - discordant]
    counts, times = np.unique(rng.multinomial(pairs, split, size=20_000)[:, :2], axis=0, return_counts=True)
    found = sum(int(n) for (a, b), n in zip(counts, times) if mcnemar_exact(int(a), int(b)) <= 0.05)
    assert mcnemar_power(pairs, discordant, difference) == pytest.approx(found / 20_000, abs=0.012)


def test_without_a_difference_the_exact_test_errs_less_than_it_may() -> None:
    for pairs, discordant in [(5, 0.9), (30, 0.3), (400, 0.5)]:
        assert 0 <= mcnemar_power(pairs, discordant, 0.0) <= 0.05


def test_the_detectable_difference_is_found_in_four_of_five_cases_and_shrinks_with_more_prompts() -> None:
    found = [detectable_difference(pairs, 0.3) for pairs in (40, 160, 640)]
    assert all(each is not None for each in found)
    small, middle, large = (float(each or 0) for each in found)
    assert small > 1.5 * middle > 2 * large
    assert mcnemar_power(640, 0.3, large) == pytest.approx(0.8, abs=0.01)


def test_a_gap_of_few_points_needs_many_prompts_as_the_normal_approximation_says() -> None:
    """Connor 1987, doi:10.2307/2531961, equation 3: n for p10 = .12, p01 = .07 at 80% and 5% is 597."""
    assert detectable_difference(597, 0.19) == pytest.approx(0.05, abs=0.004)


def test_too_few_prompts_can_find_nothing() -> None:
    assert detectable_difference(5, 0.2) is None
    assert detectable_difference(1, 0.0) is None


def test_shares_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="<= discordant <= 1"):
        mcnemar_power(10, 0.1, 0.2)


def called_different(pair: tuple[Scores, Scores]) -> bool:
    """The verdict of the whole procedure; what the test alone does not call different, interval and test do not."""
    a, b = pair
    only_a, only_b = (sum(x.grades[p] > y.grades[p] for p in x.grades) for x, y in ((a, b), (b, a)))
    return mcnemar_exact(only_a, only_b) < ALPHA and compare_scores(a, b, draws=500).separable


@pytest.mark.slow
@pytest.mark.parametrize("templates", [1, 4])
def test_a_model_against_itself_is_called_different_in_at_most_one_of_twenty_cases(templates: int) -> None:
    rng = np.random.default_rng(2)
    pairs = (simulated_pair(rng, prompts=120, share=0.4, gain=0.0, per_template=templates) for _ in range(SIMULATIONS))
    called = sum(called_different(pair) for pair in pairs)
    assert 0 < called / SIMULATIONS <= 0.05 + 2 * (0.05 * 0.95 / SIMULATIONS) ** 0.5


@pytest.mark.slow
def test_a_difference_that_is_there_is_found_as_often_as_stated() -> None:
    prompts, discordant, simulations = 200, 0.3, 600
    gain = detectable_difference(prompts, discordant)
    assert gain is not None
    rng = np.random.default_rng(3)
    pairs = (
        simulated_pair(rng, prompts=prompts, share=0.4, gain=gain, discordant=discordant) for _ in range(simulations)
    )
    found = sum(called_different(pair) for pair in pairs)
    assert found / simulations == pytest.approx(0.8, abs=3 * (0.8 * 0.2 / simulations) ** 0.5)
