import numpy as np
import pytest

from benchmarks.statistics.pairs import ALPHA, Scores, compare_scores
from benchmarks.statistics.power import detectable_difference, mcnemar_power
from benchmarks.statistics.stats import mcnemar_exact
from tests.benchmarks.made_scores import simulated_pair

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


@pytest.mark.parametrize("templates", [1, 4])
def test_a_model_against_itself_is_called_different_in_at_most_one_of_twenty_cases(templates: int) -> None:
    rng = np.random.default_rng(2)
    pairs = (simulated_pair(rng, prompts=120, share=0.4, gain=0.0, per_template=templates) for _ in range(SIMULATIONS))
    called = sum(called_different(pair) for pair in pairs)
    assert 0 < called / SIMULATIONS <= 0.05 + 2 * (0.05 * 0.95 / SIMULATIONS) ** 0.5


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
