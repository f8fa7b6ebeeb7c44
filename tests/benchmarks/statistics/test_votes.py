import math

import numpy as np
import pytest

from benchmarks.statistics.votes import Outcome, PairVote, agreement, bradley_terry, win_rates

# Games of the American League's Eastern division in 1987 (row beat column), and the strengths against Baltimore with
# their standard errors: Agresti 2002, Categorical Data Analysis, section 10.6; the R package BradleyTerry2's vignette.
TEAMS = ("Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland", "Baltimore")
WINS = (
    (0, 7, 9, 7, 7, 9, 11),
    (6, 0, 7, 5, 11, 9, 9),
    (4, 6, 0, 7, 7, 8, 12),
    (6, 8, 6, 0, 6, 7, 10),
    (6, 2, 6, 7, 0, 7, 12),
    (4, 4, 5, 6, 6, 0, 6),
    (2, 4, 1, 3, 1, 7, 0),
)
PUBLISHED = {
    "Milwaukee": 1.5814,
    "Detroit": 1.4364,
    "Toronto": 1.2945,
    "New York": 1.2476,
    "Boston": 1.1077,
    "Cleveland": 0.6839,
}


def baseball() -> list[PairVote]:
    return [
        PairVote(a=winner, b=loser, outcome="a")
        for row, winner in enumerate(TEAMS)
        for column, loser in enumerate(TEAMS)
        for _ in range(WINS[row][column])
    ]


def votes(first: str, second: str, **counts: int) -> list[PairVote]:
    outcomes: dict[str, Outcome] = {"a": "a", "b": "b", "tie": "tie", "bad": "both_bad"}
    return [PairVote(a=first, b=second, outcome=outcomes[name]) for name, count in counts.items() for _ in range(count)]


def test_strengths_are_those_published_for_the_baseball_season_of_1987() -> None:
    found = {each.model: each.logit for each in bradley_terry(baseball(), prior_sd=math.inf)}
    for team, expected in PUBLISHED.items():
        assert found[team] - found["Baltimore"] == pytest.approx(expected, abs=2e-4)
    assert sum(found.values()) == pytest.approx(0, abs=1e-9)


def test_two_models_have_the_interval_of_a_logistic_regression() -> None:
    strong, weak = bradley_terry(votes("x", "y", a=30, b=10), prior_sd=math.inf)
    assert strong.logit - weak.logit == pytest.approx(math.log(3), abs=1e-6)
    assert strong.high - strong.low == pytest.approx(1.959964 * math.sqrt(1 / 30 + 1 / 10), abs=1e-4)
    assert strong.rating - weak.rating == pytest.approx(400 * math.log10(3), abs=1e-3)


def test_the_order_of_votes_and_the_sides_do_not_matter() -> None:
    battles = votes("x", "y", a=5, b=3, tie=2) + votes("y", "z", a=4, b=4, bad=1)
    turned = [
        PairVote(a=each.b, b=each.a, outcome={"a": "b", "b": "a"}.get(each.outcome, each.outcome))  # type: ignore[arg-type]
        for each in reversed(battles)
    ]
    np.testing.assert_allclose(
        [each.logit for each in bradley_terry(battles)], [each.logit for each in bradley_terry(turned)], atol=1e-6
    )


def test_few_votes_give_a_wide_interval_and_never_infinity() -> None:
    [best, worst] = bradley_terry(votes("x", "y", a=1))
    assert best.low < 0 < best.high and worst.low < 0
    [best, _] = bradley_terry(votes("x", "y", a=200))
    assert 0 < best.low < best.high < 10


def test_ties_and_both_bad_prefer_neither() -> None:
    assert all(each.logit == pytest.approx(0, abs=1e-6) for each in bradley_terry(votes("x", "y", tie=3, bad=4)))


def test_votes_of_a_model_against_itself_do_not_count() -> None:
    with pytest.raises(ValueError, match="no vote between"):
        bradley_terry(votes("x", "x", a=3))


def test_win_rates_show_both_directions() -> None:
    first, second = win_rates(votes("x", "y", a=6, b=2, tie=1, bad=1))
    assert (first.model, first.against, first.wins, first.losses, first.ties) == ("x", "y", 6, 2, 2)
    assert first.share == pytest.approx(0.7) and second.share == pytest.approx(0.3)
    assert first.decided is not None and first.decided.estimate == pytest.approx(0.75)


def test_agreement_counts_only_votes_whose_replies_were_graded_differently() -> None:
    def graded(outcome: Outcome, a: float | None, b: float | None) -> PairVote:
        return PairVote(a="x", b="y", outcome=outcome, grade_a=a, grade_b=b)

    same = [graded("a", 1, 0), graded("b", 0, 1)]
    others = [graded("b", 1, 0), graded("tie", 1, 0), graded("a", 1, 1), graded("a", None, 1)]
    found = agreement([*same, *others])
    assert (found.same, found.opposite, found.undecided, found.equal_grades) == (2, 1, 1, 1)
    assert found.share is not None and found.share.estimate == pytest.approx(2 / 3)
    assert agreement([]).share is None
