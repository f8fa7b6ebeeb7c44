"""Two models on the same prompts: how much more one answers correctly, and which prompts only one of them got right.

Prompts are the unit: both models saw the same ones, and prompts that share a template are resampled together. Figures
of different conditions never meet: a comparison is made within one.
"""

import zlib
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass, replace
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
    """

    model: str
    condition: str
    grades: Mapping[PromptKey, float]
    clusters: Mapping[PromptKey, Hashable]
    asked: frozenset[PromptKey]


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

    @property
    def separable(self) -> bool:
        """Whether the difference is real by both accounts: p below 0.05, and an interval without 0."""
        return self.p_value < ALPHA and (self.low > 0 or self.high < 0)

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
        )

    @property
    def interval(self) -> Interval:
        return Interval(estimate=self.difference, low=self.low, high=self.high, n=self.n)


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A prompt that only one of two models answered correctly."""

    suite: str
    kind: str
    prompt_id: str
    repetition: int
    answer_a: str | None
    answer_b: str | None
    grade_a: float
    grade_b: float
    reason_a: str | None
    reason_b: str | None


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
    grades: dict[PromptKey, list[float]] = {}
    for row in rows:
        if row.grade is not None and row.error is None:
            grades.setdefault((row.suite, row.prompt_id), []).append(row.grade)
    return Scores(
        model=model,
        condition=condition,
        grades={prompt: sum(values) / len(values) for prompt, values in grades.items()},
        clusters={(row.suite, row.prompt_id): cluster_of(row) for row in rows},
        asked=frozenset((row.suite, row.prompt_id) for row in rows),
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
    )


def design_effect(values: "np.typing.NDArray[np.float64]", clusters: list[Hashable]) -> float:
    """How many times as many prompts are needed because some share a template; at least 1.

    Source: Kish 1965; the ratio of the squared standard errors with and without clusters.
    """
    alone = clustered_error(values, list(range(values.size)))
    return max(1.0, (clustered_error(values, clusters) / alone) ** 2) if alone else 1.0


def flip_table(run: Run, a: str, b: str, *, suite: str | None = None, condition: str | None = None) -> list[Flip]:
    """The prompts that only one of two models answered correctly, in the order in which `a` was asked.

    Raises:
        RunError: As `compare_pair`.
    """
    condition = condition or shared_condition(run, a, b, suite=suite)
    sides = [
        {
            (row.suite, row.prompt_id, row.repetition): row
            for row in slice_of(run, model, condition, suite=suite)
            if row.grade is not None and row.error is None
        }
        for model in (a, b)
    ]
    pairs = [(sides[0][key], sides[1][key]) for key in sides[0] if key in sides[1]]
    return [_flip(left, right) for left, right in pairs if _right(left) != _right(right)]


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


def _right(row: Row) -> bool:
    return row.grade is not None and row.grade >= 1


def _flip(left: Row, right: Row) -> Flip:
    return Flip(
        suite=left.suite,
        kind=left.kind,
        prompt_id=left.prompt_id,
        repetition=left.repetition,
        answer_a=left.answer,
        answer_b=right.answer,
        grade_a=left.grade or 0.0,
        grade_b=right.grade or 0.0,
        reason_a=left.grade_reason,
        reason_b=right.grade_reason,
    )


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
