"""Two models on the same prompts: how much more one answers correctly, and which prompts only one of them got right.

Prompts are the unit: both models saw the same ones, and prompts that share a template are resampled together. Figures
of different conditions never meet: a comparison is made within one.
"""

import zlib
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from benchmarks.runs.read import Row, Run, RunError
from benchmarks.statistics.clusters import cluster_of, clustered_error, clustered_mean
from benchmarks.statistics.stats import Interval, detectable_difference, mcnemar_exact

ALPHA = 0.05

PromptKey = tuple[str, str]
"""Suite and prompt id."""


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One model's graded answers under one condition.

    Attributes:
        grades: Mean grade of each prompt over its repetitions; ungraded and failed samples are left out.
        clusters: What each prompt shares with others: its template, or itself alone.
        asked: Prompts with a sample, graded or not.
        cut: Of each prompt that has some, the share of its answers that their token limit cut.
        right_of_cut: The part of a cut prompt's mean grade that those answers gave.
    """

    model: str
    condition: str
    grades: Mapping[PromptKey, float]
    clusters: Mapping[PromptKey, Hashable]
    asked: frozenset[PromptKey]
    cut: Mapping[PromptKey, float] = field(default_factory=dict)
    right_of_cut: Mapping[PromptKey, float] = field(default_factory=dict)

    def bounds(self, prompts: Collection[PromptKey]) -> tuple[float, float]:
        """The share correct on these prompts if every cut answer were wrong, and if every one were right."""
        low = sum(self.grades[prompt] - self.right_of_cut.get(prompt, 0.0) for prompt in prompts)
        return low / len(prompts), (low + sum(self.cut.get(prompt, 0.0) for prompt in prompts)) / len(prompts)


@dataclass(frozen=True, kw_only=True)
class PairComparison:
    """Model `a` against model `b`.

    Attributes:
        suite: None where all suites are pooled.
        kinds: Kinds of prompt that were kept; empty keeps all.
        n: Prompts graded for both; others are left out, and counted in `left_out`.
        share_a, share_b: Share correct on those prompts.
        difference, low, high: `share_a` less `share_b`, with its 95% interval, clustered by template.
        only_a, only_b: Prompts that one of them did better on, which at temperature 0 is: it alone got right.
        p_value: Exact McNemar (with several repetitions: the sign test).
        clusters: Templates, and prompts without one.
        independent: As many independent prompts would tell as much: `n` over the design effect.
        cut_a, cut_b: Prompts with an answer that its token limit cut.
        bounds_a, bounds_b: Each one's share correct if all of those were wrong, and if all were right.
    """

    a: str
    b: str
    suite: str | None
    kinds: tuple[str, ...]
    condition: str
    n: int
    left_out: int
    share_a: float
    share_b: float
    difference: float
    low: float
    high: float
    only_a: int
    only_b: int
    p_value: float
    clusters: int
    independent: int
    cut_a: int = 0
    cut_b: int = 0
    bounds_a: tuple[float, float] = (0.0, 0.0)
    bounds_b: tuple[float, float] = (0.0, 0.0)

    @property
    def separable(self) -> bool:
        """Whether the difference is real by all accounts: p below 0.05, an interval without 0, and no token limit
        that could have made it."""
        return self.differs and not self.cut_decides

    @property
    def differs(self) -> bool:
        """Whether the answers as they stand differ: p below 0.05, and an interval without 0."""
        return self.p_value < ALPHA and (self.low > 0 or self.high < 0)

    @property
    def cut_decides(self) -> bool:
        """Whether truncated answers, were they all right or all wrong, could put either model first."""
        overlap = self.bounds_a[0] <= self.bounds_b[1] and self.bounds_b[0] <= self.bounds_a[1]
        return bool(self.cut_a or self.cut_b) and overlap

    @property
    def detectable(self) -> float | None:
        """Smallest true difference that this comparison would find in 80% of cases; None where none is."""
        return _detectable(self.independent, round((self.only_a + self.only_b) / self.n, 4))

    @property
    def inverted(self) -> "PairComparison":
        """The same, with the models' places changed."""
        return replace(
            self,
            a=self.b,
            b=self.a,
            share_a=self.share_b,
            share_b=self.share_a,
            difference=-self.difference,
            low=-self.high,
            high=-self.low,
            only_a=self.only_b,
            only_b=self.only_a,
            cut_a=self.cut_b,
            cut_b=self.cut_a,
            bounds_a=self.bounds_b,
            bounds_b=self.bounds_a,
        )

    @property
    def interval(self) -> Interval:
        return Interval(estimate=self.difference, low=self.low, high=self.high, n=self.n)


def compare_pair(
    run: Run,
    a: str,
    b: str,
    *,
    suite: str | None = None,
    kinds: Collection[str] | None = None,
    condition: str | None = None,
) -> PairComparison:
    """Compare two models of one run.

    Args:
        suite: None pools all of the run's.
        kinds: Kinds of prompt to keep; None or empty keeps all.
        condition: None takes the one with most prompts graded for both.

    Raises:
        RunError: A model, suite, kind or condition that is not there, or fewer than 2 prompts graded for both.
    """
    condition = condition or shared_condition(run, a, b, suite=suite)
    kept = tuple(kinds or ())
    left, right = (scores(run, model, condition, suite=suite, kinds=kept) for model in (a, b))
    return compare_scores(left, right, suite=suite, kinds=kept)


def scores(run: Run, model: str, condition: str, *, suite: str | None = None, kinds: Collection[str] = ()) -> Scores:
    """A model's graded answers.

    Raises:
        RunError: The run has no such model, or no such rows of it.
    """
    rows = slice_of(run, model, condition, suite=suite, kinds=kinds)
    if not rows:
        _explain_absence(run, model, condition, suite, kinds)
    graded: dict[PromptKey, list[Row]] = {}
    for row in rows:
        if row.grade is not None and row.error is None:
            graded.setdefault((row.suite, row.prompt_id), []).append(row)
    cut = {prompt: found for prompt, mine in graded.items() if (found := [row for row in mine if row.truncated])}
    return Scores(
        model=model,
        condition=condition,
        grades={prompt: sum(row.grade or 0.0 for row in mine) / len(mine) for prompt, mine in graded.items()},
        clusters={(row.suite, row.prompt_id): cluster_of(row) for row in rows},
        asked=frozenset((row.suite, row.prompt_id) for row in rows),
        cut={prompt: len(found) / len(graded[prompt]) for prompt, found in cut.items()},
        right_of_cut={
            prompt: sum(row.grade or 0.0 for row in found) / len(graded[prompt]) for prompt, found in cut.items()
        },
    )


def slice_of(
    run: Run, model: str, condition: str, *, suite: str | None = None, kinds: Collection[str] = ()
) -> list[Row]:
    """A model's rows under one condition; of one suite, and of some kinds, where they are named."""
    return [
        row
        for row in run.by_model.get(model, ())
        if row.condition == condition and suite in (None, row.suite) and (not kinds or row.kind in kinds)
    ]


def compare_scores(
    a: Scores, b: Scores, *, suite: str | None = None, kinds: Collection[str] = (), draws: int = 5_000
) -> PairComparison:
    """Compare two models' answers to the prompts that both have graded; they may come from different runs.

    Raises:
        RunError: Different conditions, or fewer than 2 prompts graded for both.
    """
    if a.condition != b.condition:
        raise RunError(f"{a.model} was run {a.condition}, {b.model} {b.condition}; compare figures of one condition")
    prompts = [prompt for prompt in a.grades if prompt in b.grades]
    clusters = [a.clusters[prompt] for prompt in prompts]
    if len(set(clusters)) < 2:
        raise RunError(f"{a.model} and {b.model} have {len(prompts)} prompts graded for both; a comparison needs 2")
    left, right = (np.array([each.grades[prompt] for prompt in prompts]) for each in (a, b))
    gains = left - right
    rng = np.random.default_rng(zlib.crc32(f"{len(prompts)} {gains.sum():.6f}".encode()))
    interval = clustered_mean(gains, clusters, rng=rng, draws=draws)
    only_a, only_b = int((gains > 0).sum()), int((gains < 0).sum())
    return PairComparison(
        a=a.model,
        b=b.model,
        suite=suite,
        kinds=tuple(kinds),
        condition=a.condition,
        n=len(prompts),
        left_out=len(a.asked | b.asked) - len(prompts),
        share_a=float(left.mean()),
        share_b=float(right.mean()),
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        only_a=only_a,
        only_b=only_b,
        p_value=mcnemar_exact(only_b, only_a),
        clusters=len(set(clusters)),
        independent=max(1, round(len(prompts) / design_effect(gains, clusters))),
        cut_a=sum(prompt in a.cut for prompt in prompts),
        cut_b=sum(prompt in b.cut for prompt in prompts),
        bounds_a=a.bounds(prompts),
        bounds_b=b.bounds(prompts),
    )


def cut_text(found: PairComparison, a: str, b: str) -> str:
    """How many answers were cut by their limit, and what the shares could be; empty where that changes nothing."""
    if not found.cut_decides:
        return ""
    sides = zip((a, b), (found.cut_a, found.cut_b), (found.bounds_a, found.bounds_b), strict=True)
    return " and ".join(
        f"{cut} of {name}'s {found.n} answers were cut by their token limit, so {low:.0%} to {high:.0%} may be right"
        if cut
        else f"none of {name}'s, of which {low:.0%} are"
        for name, cut, (low, high) in sorted(sides, key=lambda side: not side[1])
    )


def design_effect(values: "np.typing.NDArray[np.float64]", clusters: list[Hashable]) -> float:
    """How many times as many prompts are needed because some share a template; at least 1.

    Source: Kish 1965; the ratio of the squared standard errors with and without clusters.
    """
    alone = clustered_error(values, list(range(values.size)))
    return max(1.0, (clustered_error(values, clusters) / alone) ** 2) if alone else 1.0


def shared_condition(run: Run, a: str, b: str, *, suite: str | None = None) -> str:
    """The condition under which most prompts are graded for both models.

    Raises:
        RunError: A model is not in the run, or none has a prompt graded for both.
    """
    graded: dict[str, list[set[PromptKey]]] = {}
    for place, model in enumerate((a, b)):
        if model not in run.by_model:
            _explain_absence(run, model, None, None, ())
        for row in run.by_model[model]:
            if row.grade is not None and row.error is None and suite in (None, row.suite):
                graded.setdefault(row.condition, [set(), set()])[place].add((row.suite, row.prompt_id))
    counts = {condition: len(left & right) for condition, (left, right) in graded.items()}
    best = max(counts, key=lambda condition: counts[condition], default=None)
    if best is None or not counts[best]:
        where = f" in suite {suite!r}" if suite else ""
        raise RunError(f"{run.id}: no prompt{where} is graded for both {a!r} and {b!r}; let the run finish first")
    return best


@lru_cache(maxsize=256)
def _detectable(prompts: int, discordant: float) -> float | None:
    return detectable_difference(prompts, discordant)


def _explain_absence(run: Run, model: str, condition: str | None, suite: str | None, kinds: Collection[str]) -> None:
    rows = run.by_model.get(model)
    if rows is None:
        raise RunError(f"{run.id} has no model {model!r}; it has {', '.join(run.by_model) or 'no rows yet'}")
    there = sorted({f"{row.suite} ({row.condition})" for row in rows})
    kept = f", kinds {', '.join(kinds)}" if kinds else ""
    raise RunError(
        f"{run.id} has no rows of {model!r} for suite {suite or 'any'!r}{kept}, condition {condition!r}; it has "
        + ", ".join(there)
    )
