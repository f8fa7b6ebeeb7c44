"""Human votes: Bradley–Terry strengths with intervals, win rates, and agreement with the graders.

A vote compares two models on one prompt. A tie, and "both bad", prefer neither: each counts as half a win for both.
Unlike Elo, the strengths do not depend on the votes' order.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from benchmarks.statistics.stats import CONFIDENCE, Interval, wilson

Outcome = Literal["a", "b", "tie", "both_bad"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
POINTS_PER_LOGIT = 400 / math.log(10)
"""As in chess: 400 points more are odds of ten to one."""

CENTRE = 1000.0
PRIOR_SD = 2.0


@dataclass(frozen=True, kw_only=True)
class PairVote:
    """One vote. The grades, where the prompt was a suite's, are the graders' own verdicts on the two replies."""

    a: str
    b: str
    outcome: Outcome
    grade_a: float | None = None
    grade_b: float | None = None

    @property
    def score_a(self) -> float:
        return {"a": 1.0, "b": 0.0}.get(self.outcome, 0.5)


@dataclass(frozen=True, kw_only=True)
class Strength:
    """A model's Bradley–Terry strength.

    Attributes:
        logit: Log-odds against an average model of this table; `low` and `high` are its interval.
        rating: The same on the scale of chess, 1000 for the average; `rating_low` and `rating_high` likewise.
        votes: That it took part in.
    """

    model: str
    logit: float
    low: float
    high: float
    votes: int

    @property
    def rating(self) -> float:
        return CENTRE + POINTS_PER_LOGIT * self.logit

    @property
    def rating_low(self) -> float:
        return CENTRE + POINTS_PER_LOGIT * self.low

    @property
    def rating_high(self) -> float:
        return CENTRE + POINTS_PER_LOGIT * self.high


@dataclass(frozen=True, kw_only=True)
class WinRate:
    """How often one model was preferred to another; `share` counts a tie as half, its interval leaves ties out."""

    model: str
    against: str
    wins: int
    losses: int
    ties: int

    @property
    def share(self) -> float:
        return (self.wins + self.ties / 2) / (self.wins + self.losses + self.ties)

    @property
    def decided(self) -> Interval | None:
        return wilson(self.wins, self.wins + self.losses) if self.wins + self.losses else None


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Votes on prompts where one reply was graded higher: how often people preferred that one.

    Attributes:
        same, opposite, undecided: People preferred the better graded, the other, or neither.
        equal_grades: Votes that say nothing here, because the graders saw no difference.
    """

    same: int
    opposite: int
    undecided: int
    equal_grades: int

    @property
    def share(self) -> Interval | None:
        """Among the votes that preferred one."""
        decided = self.same + self.opposite
        return wilson(self.same, decided) if decided else None


def bradley_terry(battles: Sequence[PairVote], *, prior_sd: float = PRIOR_SD) -> list[Strength]:
    """Strengths of all models voted on, strongest first.

    A weak normal prior keeps a model that won every vote from running off to infinity; with few votes the interval is
    wide. The intervals come from the curvature of the posterior at its maximum.

    Args:
        prior_sd: Of each strength, in logits; infinity is plain maximum likelihood, which needs every model to have won
            and lost along some chain of votes.

    Raises:
        ValueError: No vote between two different models.

    Source: Bradley and Terry 1952, doi:10.2307/2334029; ties as half wins as in Chatbot Arena, arXiv:2403.04132.
    """
    from scipy.stats import norm

    counted = [battle for battle in battles if battle.a != battle.b]
    models = sorted({model for battle in counted for model in (battle.a, battle.b)})
    if not models:
        raise ValueError("no vote between two different models yet")
    wins = _wins(counted, models)
    logits = _maximum(wins, prior_sd)
    deviations = np.sqrt(np.diag(_covariance(logits, wins, prior_sd)))
    width = float(norm.ppf(0.5 + CONFIDENCE / 2))
    votes = {model: sum(model in (battle.a, battle.b) for battle in counted) for model in models}
    found = [
        Strength(model=model, logit=logit, low=logit - width * sd, high=logit + width * sd, votes=votes[model])
        for model, logit, sd in zip(models, logits.tolist(), deviations.tolist(), strict=True)
    ]
    return sorted(found, key=lambda each: -each.logit)


def win_rates(battles: Iterable[PairVote]) -> list[WinRate]:
    """Every ordered pair of models that met."""
    counts: dict[tuple[str, str], list[int]] = {}
    for battle in battles:
        if battle.a == battle.b:
            continue
        place = {"a": 0, "b": 1}.get(battle.outcome, 2)
        counts.setdefault((battle.a, battle.b), [0, 0, 0])[place] += 1
        counts.setdefault((battle.b, battle.a), [0, 0, 0])[{0: 1, 1: 0}.get(place, 2)] += 1
    return [
        WinRate(model=model, against=against, wins=wins, losses=losses, ties=ties)
        for (model, against), (wins, losses, ties) in sorted(counts.items())
    ]


def agreement(battles: Iterable[PairVote]) -> Agreement:
    """Votes against grades, where both replies were graded."""
    same = opposite = undecided = equal = 0
    for battle in battles:
        if battle.grade_a is None or battle.grade_b is None:
            continue
        if battle.grade_a == battle.grade_b:
            equal += 1
        elif battle.score_a == 0.5:
            undecided += 1
        elif (battle.score_a > 0.5) == (battle.grade_a > battle.grade_b):
            same += 1
        else:
            opposite += 1
    return Agreement(same=same, opposite=opposite, undecided=undecided, equal_grades=equal)


_Matrix = npt.NDArray[np.float64]


def _wins(battles: Sequence[PairVote], models: Sequence[str]) -> _Matrix:
    """Wins of the row's model over the column's, shape (models, models)."""
    place = {model: index for index, model in enumerate(models)}
    wins = np.zeros((len(models), len(models)))
    for battle in battles:
        wins[place[battle.a], place[battle.b]] += battle.score_a
        wins[place[battle.b], place[battle.a]] += 1 - battle.score_a
    return wins


def _maximum(wins: _Matrix, prior_sd: float) -> _Matrix:
    """Strengths of the highest posterior density, with mean 0."""
    from scipy.optimize import minimize
    from scipy.special import expit

    games, penalty = wins + wins.T, 1 / prior_sd**2

    def loss(logits: _Matrix) -> tuple[float, _Matrix]:
        gaps = logits[:, None] - logits[None, :]
        value = float((wins * np.logaddexp(0, -gaps)).sum() + penalty * (logits**2).sum() / 2)
        gradient = (games * expit(gaps) - wins).sum(axis=1) + penalty * logits
        return value, gradient

    found = minimize(loss, np.zeros(len(wins)), jac=True, method="BFGS", options={"gtol": 1e-9})
    logits: _Matrix = found.x - found.x.mean()
    return logits


def _covariance(logits: _Matrix, wins: _Matrix, prior_sd: float) -> _Matrix:
    """Of the strengths less their mean."""
    from scipy.special import expit

    chance = expit(logits[:, None] - logits[None, :])
    weights = (wins + wins.T) * chance * (1 - chance)
    information = np.diag(weights.sum(axis=1)) - weights + np.eye(len(wins)) / prior_sd**2
    centring = np.eye(len(wins)) - 1 / len(wins)
    covariance: _Matrix = centring @ np.linalg.pinv(information) @ centring
    return covariance
