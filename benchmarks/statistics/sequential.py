"""Whether enough prompts have been asked to say which of two models is right more often.

After every prompt the same question is put, without being wrong more often for it: what is counted is an e-process, and
the chance that one ever passes 1 / `ERROR` where the two are right equally often is at most `ERROR` (Ville 1939; Ramdas
et al. 2023, arXiv:2210.01948). Prompts count in the order in which they are asked, not in that of their ends: short
answers come first, and they may be another model's.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import lgamma, log

from benchmarks.runs.read import Row, Run
from benchmarks.statistics.clusters import cluster_of

ERROR = 0.05
"""Chance, per suite, that any two of a run's models are told apart wrongly."""


def log_evidence(first_only: int, second_only: int) -> float:
    """Natural logarithm of the evidence that two models are not right equally often.

    Args:
        first_only, second_only: Independent outcomes in which only the one was right.

    Source: the mixture of binomial likelihoods over Jeffreys' prior, against one half (Robbins 1970).
    """

    def log_beta(a: float, b: float) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    mixed = log_beta(0.5 + first_only, 0.5 + second_only) - log_beta(0.5, 0.5)
    return mixed + (first_only + second_only) * log(2)


@dataclass(kw_only=True)
class Contest:
    """Two models on one suite. Prompts of one template are one witness, whose first word is its vote: one that could
    change its mind would be asked again and again."""

    order: Sequence[str]
    needed: float
    decided: bool = False
    _next: int = 0
    _votes: dict[Hashable, int] = field(default_factory=dict)

    def look(self, first: Mapping[str, Row], second: Mapping[str, Row]) -> bool:
        """Go on through the prompts that both have answered; True once it is decided, for good."""
        while not self.decided and self._next < len(self.order):
            prompt = self.order[self._next]
            if prompt not in first or prompt not in second:
                break
            if vote := first[prompt].right - second[prompt].right:
                self._votes.setdefault(cluster_of(first[prompt]), vote)
            self._next += 1
            votes = self._votes.values()
            self.decided = log_evidence(sum(vote > 0 for vote in votes), sum(vote < 0 for vote in votes)) >= self.needed
        return self.decided


class Contests:
    """All pairs of models on all suites of a run.

    Args:
        order: Of each suite, its prompts as they are asked.
    """

    def __init__(self, models: Sequence[str], order: Mapping[str, Sequence[str]]) -> None:
        pairs = [(a, b) for place, a in enumerate(models) for b in models[place + 1 :]]
        needed = log(max(1, len(pairs)) / ERROR)
        self._rows: dict[tuple[str, str], dict[str, Row]] = {(suite, model): {} for suite in order for model in models}
        self._contests = {
            (suite, pair): Contest(order=prompts, needed=needed) for suite, prompts in order.items() for pair in pairs
        }

    def note(self, row: Row) -> None:
        """An answer, in whatever order answers end."""
        if (row.suite, row.model) in self._rows:
            self._rows[row.suite, row.model][row.prompt_id] = row
            for (suite, (a, b)), contest in self._contests.items():
                if suite == row.suite and row.model in (a, b):
                    contest.look(self._rows[suite, a], self._rows[suite, b])

    def over(self, suite: str, model: str) -> bool:
        """Whether nothing that this model could still answer there would be needed."""
        mine = [each for (where, pair), each in self._contests.items() if where == suite and model in pair]
        return bool(mine) and all(each.decided for each in mine)


def early_texts(run: Run) -> list[str]:
    """One sentence for each suite of which not all was asked, because it was decided."""
    return [
        f"{suite}: decided before all was asked (not asked: {', '.join(f'{name} {n}' for name, n in counts.items())}); "
        f"the chance that equals are told apart is at most {ERROR:.0%}, and such a difference is a little overstated"
        for suite, counts in run.manifest.get("decided_early", {}).items()
    ]
