"""How many answers are right and finished within T seconds on one machine, or within so many tokens.

Each answer brings its grade and its token counts; the model's rates, measured alone on that machine, say when it would
be finished. An answer that its limit cut is not finished at any time: when it would have been, and whether rightly, is
not known, so a curve ends where more than a few of them would matter.
"""

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from benchmarks.analysis.figures import SPEED_CONDITION, ModelFigures, Rates, gather, rates_of
from benchmarks.runs.read import Row, Run, RunError
from benchmarks.statistics.clusters import cluster_of, clustered_means
from benchmarks.statistics.pairs import ALPHA
from benchmarks.statistics.stats import FloatArray, mcnemar_exact

SECONDS, TOKENS = "seconds", "tokens"
BUDGETS: dict[str, tuple[float, ...]] = {
    SECONDS: tuple(np.geomspace(0.5, 120, 81).round(3)),
    TOKENS: tuple(np.geomspace(4, 1024, 65).round().tolist()),
}
MOST_UNKNOWN = 0.03
"""A curve ends where more than this share of its answers has been cut by its limit."""
_SHORTEST_STRETCH = 3

Key = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One model's graded answers, and what each takes alone on the machine.

    Attributes:
        machine: Where its rates were measured.
        keys: Suite, prompt and repetition of each.
        seconds, tokens: From the question to the end, and written; shape (len(keys),).
        right: Right, and ended by the model itself.
        cut: Ended by its token limit.
    """

    model: str
    label: str
    machine: str
    keys: tuple[Key, ...]
    clusters: tuple[Hashable, ...]
    seconds: FloatArray
    tokens: FloatArray
    right: npt.NDArray[np.bool_]
    cut: npt.NDArray[np.bool_]

    def only(self, keys: Sequence[Key]) -> "Answers":
        """Those of these keys, in this order."""
        places = {key: place for place, key in enumerate(self.keys)}
        chosen = [places[key] for key in keys]
        return Answers(
            model=self.model,
            label=self.label,
            machine=self.machine,
            keys=tuple(keys),
            clusters=tuple(self.clusters[place] for place in chosen),
            seconds=self.seconds[chosen],
            tokens=self.tokens[chosen],
            right=self.right[chosen],
            cut=self.cut[chosen],
        )

    def within(self, unit: str) -> tuple[FloatArray, FloatArray]:
        """Per answer and budget, 1 where it is right within it, and where its limit has cut it within it."""
        spent = self.seconds if unit == SECONDS else self.tokens
        early = spent[:, None] <= np.array(BUDGETS[unit])[None, :]
        right, cut = (early & each[:, None] for each in (self.right, self.cut))
        return right.astype(np.float64), cut.astype(np.float64)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Share right within each budget, with its 95% band; shorter than the budgets where it ends before them.

    Attributes:
        unit: `SECONDS` or `TOKENS`.
        ends: The last budget that the answers' limits let it speak of; None where it speaks of all.
    """

    model: str
    label: str
    machine: str
    unit: str
    n: int
    budgets: tuple[float, ...]
    share: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    ends: float | None


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Neighbouring budgets with one finding: `better` is right more often, or None where it cannot be told.

    `difference` is the largest within, `at` its budget.
    """

    first: float
    last: float
    better: str | None
    difference: float
    at: float


def answers_of(figures: ModelFigures) -> Answers:
    """A model's answers with their seconds.

    Raises:
        RunError: Nothing graded, or no rates of it on the machine; one line that names the model.
    """
    quality, speed = figures.quality, figures.speed
    if quality is None:
        raise RunError(f"{figures.label}: nothing is graded; run a suite with it first")
    alone = quality.condition == SPEED_CONDITION and figures.machine in (None, quality.run.machine)
    rates = rates_of(speed.rows) if speed else None
    if server := quality.run.models.get(quality.model, {}).get("served_by"):
        raise RunError(f"{figures.label}: {server} has it, whose seconds are not this machine's")
    if not alone and rates is None:
        raise RunError(
            f"{figures.label}: its rates were not measured on {figures.machine or 'one machine'}; time it alone "
            "(timed-cold) there"
        )
    rows = [row for row in quality.rows if row.grade is not None and row.error is None]
    timed = [(row, seconds) for row in rows if (seconds := _seconds(row, rates, alone=alone)) is not None]
    if not timed:
        raise RunError(f"{figures.label}: its answers have no token counts; run the suite again")
    source = quality if alone or speed is None else speed
    return Answers(
        model=figures.model,
        label=figures.label,
        machine=source.run.machine,
        keys=tuple((row.suite, row.prompt_id, row.repetition) for row, _ in timed),
        clusters=tuple(cluster_of(row) for row, _ in timed),
        seconds=np.array([seconds for _, seconds in timed]),
        tokens=np.array([float(row.completion_tokens or 0) for row, _ in timed]),
        right=np.array([row.right and row.finish_reason == "stop" for row, _ in timed]),
        cut=np.array([row.truncated for row, _ in timed]),
    )


def _seconds(row: Row, rates: Rates | None, *, alone: bool) -> float | None:
    if alone or rates is None:
        return row.total_s
    if row.prompt_tokens is None or row.decode_tokens is None:
        return None
    return row.prompt_tokens / rates.prefill_tok_per_s + row.decode_tokens / rates.decode_tok_per_s


def all_answers(figures: Sequence[ModelFigures]) -> tuple[list[Answers], list[str]]:
    """Those of the models that have some, and in one line each why others have none."""
    found, problems = [], []
    for each in figures:
        try:
            found.append(answers_of(each))
        except RunError as error:
            problems.append(str(error))
    return found, problems


def answers_in(run: Run, model: str, timed: Sequence[Run] = ()) -> Answers:
    """One model's answers of one run; rates may also come from other runs.

    Raises:
        RunError: The run has no such model, or as `answers_of`.
    """
    for each in figures_of(run, timed):
        if each.model == model:
            return answers_of(each)
    raise RunError(f"{run.id}: nothing is graded for {model!r}; it has {', '.join(run.by_model) or 'no rows yet'}")


def figures_of(run: Run, timed: Sequence[Run]) -> list[ModelFigures]:
    """The run's quality, with the speeds of all."""
    speeds = {each.sha256: each for each in gather([*timed, run])}
    graded = [each for each in gather([run]) if each.quality]
    return [replace(each, speed=speeds[each.sha256].speed, machine=speeds[each.sha256].machine) for each in graded]


def curve(answers: Answers, unit: str = SECONDS) -> Curve:
    """Share right within each budget; what is not known of cut answers widens the band upwards.

    Raises:
        RunError: Fewer than two prompts, which gives no band.
    """
    right, cut = answers.within(unit)
    share, low, high = _means(right, answers)
    unknown = cut.mean(axis=0)
    kept = int((unknown <= MOST_UNKNOWN).sum())
    budgets = BUDGETS[unit][:kept]
    return Curve(
        model=answers.model,
        label=answers.label,
        machine=answers.machine,
        unit=unit,
        n=len(answers.keys),
        budgets=budgets,
        share=tuple(share[:kept]),
        low=tuple(np.clip(low[:kept], 0, 1)),
        high=tuple(np.clip(high[:kept] + unknown[:kept], 0, 1)),
        ends=(budgets[-1] if budgets else 0.0) if kept < len(BUDGETS[unit]) else None,
    )


def stretches(a: Answers, b: Answers, unit: str = SECONDS) -> list[Stretch]:
    """Which of two is right more often within each budget, on the prompts that both answered.

    Raises:
        RunError: Rates of different machines, or fewer than two prompts that both answered.
    """
    if unit == SECONDS and a.machine != b.machine:
        raise RunError(
            f"{a.label} was timed on {a.machine}, {b.label} on {b.machine}: seconds of different machines do not "
            "compare; time both on one"
        )
    there = set(b.keys)
    shared = [key for key in a.keys if key in there]
    a, b = a.only(shared), b.only(shared)
    (right_a, cut_a), (right_b, cut_b) = a.within(unit), b.within(unit)
    difference, low, high = _means(right_a - right_b, a)
    unknown_a, unknown_b = cut_a.mean(axis=0), cut_b.mean(axis=0)
    kept = int((np.maximum(unknown_a, unknown_b) <= MOST_UNKNOWN).sum())
    signs = np.where(low - unknown_b > 0, 1, np.where(high + unknown_a < 0, -1, 0))[:kept]
    signs[[not _differ(*counts) for counts in _only_one(right_a, right_b)[:kept]]] = 0
    return [_stretch(signs[first], first, last, difference, a, b, unit) for first, last in _runs(signs)]


def _only_one(right_a: FloatArray, right_b: FloatArray) -> list[tuple[int, int]]:
    """Per budget, the answers that only the first, and only the second got right in it."""
    return [(int(a), int(b)) for a, b in zip((right_a > right_b).sum(axis=0), (right_b > right_a).sum(axis=0))]


@lru_cache(maxsize=4096)
def _differ(only_a: int, only_b: int) -> bool:
    """As a pair's whole difference, one within a budget must be real by McNemar's exact test, too."""
    return mcnemar_exact(only_b, only_a) < ALPHA


def _stretch(sign: int, first: int, last: int, difference: FloatArray, a: Answers, b: Answers, unit: str) -> Stretch:
    place = first + int(np.abs(difference[first : last + 1]).argmax())
    return Stretch(
        first=BUDGETS[unit][first],
        last=BUDGETS[unit][last],
        better={1: a.model, -1: b.model}.get(int(sign)),
        difference=float(abs(difference[place])),
        at=BUDGETS[unit][place],
    )


def _runs(signs: npt.NDArray[np.int_]) -> list[tuple[int, int]]:
    """First and last place of each run of one sign; a run of less than three budgets counts as undecided."""
    settled = signs.copy()
    for first, last in _equal(signs):
        if last - first + 1 < _SHORTEST_STRETCH:
            settled[first : last + 1] = 0
    signs[:] = settled
    return _equal(settled)


def _equal(signs: npt.NDArray[np.int_]) -> list[tuple[int, int]]:
    edges = [0, *(np.flatnonzero(np.diff(signs)) + 1).tolist(), len(signs)]
    return [(first, last - 1) for first, last in pairwise(edges) if last > first]


def _means(values: FloatArray, answers: Answers) -> tuple[FloatArray, FloatArray, FloatArray]:
    if len(set(answers.clusters)) < 2:
        raise RunError(
            f"{answers.label}: {len(answers.keys)} graded prompts of {len(set(answers.clusters))} templates; what is "
            "right within a time needs 2 that do not share one"
        )
    seed = zlib.crc32(f"{len(values)} {values.sum():.3f}".encode())
    return clustered_means(values, answers.clusters, rng=np.random.default_rng(seed))
