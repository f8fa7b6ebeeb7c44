"""Which models are worth having: those that no other beats in both speed and quality, and how sure that is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from benchmarks.analysis.figures import ModelFigures, Source
from benchmarks.runs.read import Row
from benchmarks.statistics.pairs import PromptKey, Scores, scores
from benchmarks.statistics.stats import FloatArray, Interval

_VALUES_AT_ONCE = 2_000_000  # 16 MB


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model with the samples behind its point.

    Attributes:
        cost: What is drawn against quality, such as tokens/s or seconds; `cost_samples` are single values of it.
        scores: Graded answers; resampled together with the other models' on the same prompts.
    """

    model: str
    cost: float
    cost_samples: FloatArray
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A model's place.

    Attributes:
        on_frontier: No other model is at least as good in both and better in one.
        p_on_frontier: Share of bootstrap resamples in which that is so.
    """

    model: str
    cost: float
    share_correct: float
    on_frontier: bool
    p_on_frontier: float


def frontier(costs: Sequence[float] | FloatArray, qualities: Sequence[float] | FloatArray, *, more: bool) -> list[bool]:
    """Which points no other beats: at least as good in both, and better in one.

    Args:
        more: A higher cost axis is better, as in tokens/s; False for seconds and bytes.
    """
    return [bool(each) for each in _unbeaten(np.asarray(costs)[None], np.asarray(qualities)[None], more=more)[0]]


def standings(candidates: Sequence[Candidate], *, more: bool, rng: Generator, draws: int = 2_000) -> list[Standing]:
    """Who is on the frontier, with its bootstrap probability, in the candidates' order.

    Prompts that all models have graded are resampled by template, the same ones for all models; the medians of the
    cost's samples by itself for each.

    Raises:
        ValueError: No model, or no prompt that all of them have graded.
    """
    if not candidates:
        raise ValueError("no model to place")
    prompts = [p for p in candidates[0].scores.grades if all(p in each.scores.grades for each in candidates)]
    if not prompts:
        raise ValueError("no prompt is graded for all of these models")
    sums, sizes = _by_cluster(candidates, prompts)
    shares = sums.sum(axis=1) / sizes.sum()
    drawn = rng.multinomial(sizes.size, np.full(sizes.size, 1 / sizes.size), size=draws).astype(np.float64)
    qualities = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    costs = np.column_stack([_resampled_medians(each, rng, draws) for each in candidates])
    chances = _unbeaten(costs, qualities, more=more).mean(axis=0)
    now = frontier([each.cost for each in candidates], shares, more=more)
    return [
        Standing(
            model=each.model,
            cost=each.cost,
            share_correct=float(share),
            on_frontier=on,
            p_on_frontier=float(chance),
        )
        for each, share, on, chance in zip(candidates, shares, now, chances, strict=True)
    ]


def candidates_of(
    figures: Sequence[ModelFigures],
    cost: Callable[[ModelFigures], Interval | float | None],
    samples: Callable[[Row], float | None] | None = None,
) -> list[Candidate]:
    """Candidates from gathered figures; a model without quality or without this cost is left out.

    Args:
        cost: The figure to draw, such as `lambda each: each.decode_tok_per_s`.
        samples: The same of one timed row; None where it does not vary, such as the file's size.
    """
    found = []
    for each in figures:
        value = cost(each)
        if each.quality is None or value is None:
            continue
        estimate = value.estimate if isinstance(value, Interval) else float(value)
        rows = _timed(each.speed) if samples else ()
        values = [sample for row in rows if samples and (sample := samples(row)) is not None]
        answered = scores(each.quality.run, each.quality.summary.model, each.quality.summary.condition)
        array = np.asarray(values or [estimate], dtype=np.float64)
        found.append(Candidate(model=each.model, cost=estimate, cost_samples=array, scores=answered))
    return found


def _timed(source: Source | None) -> tuple[Row, ...]:
    if source is None:
        return ()
    mine = source.run.by_model[source.summary.model]
    rows = tuple(row for row in mine if row.condition == source.summary.condition and row.error is None)
    return tuple(row for row in rows if row.is_answer) or rows


def _unbeaten(costs: FloatArray, qualities: FloatArray, *, more: bool) -> npt.NDArray[np.bool_]:
    """Shape (draws, models) in and out."""
    speed = costs if more else -costs
    at_least = (speed[:, :, None] >= speed[:, None, :]) & (qualities[:, :, None] >= qualities[:, None, :])
    better = (speed[:, :, None] > speed[:, None, :]) | (qualities[:, :, None] > qualities[:, None, :])
    beaten = np.any(at_least & better, axis=1)
    return np.asarray(~beaten, dtype=np.bool_)


def _by_cluster(candidates: Sequence[Candidate], prompts: Sequence[PromptKey]) -> tuple[FloatArray, FloatArray]:
    """Sums of grades, shape (models, clusters), and prompts in each cluster."""
    clusters = [candidates[0].scores.clusters[prompt] for prompt in prompts]
    places: Mapping[object, int] = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([places[cluster] for cluster in clusters])
    grades = np.array([[each.scores.grades[prompt] for prompt in prompts] for each in candidates])
    sums = np.stack([np.bincount(index, weights=mine, minlength=len(places)) for mine in grades])
    return sums.astype(np.float64), np.bincount(index, minlength=len(places)).astype(np.float64)


def _resampled_medians(candidate: Candidate, rng: Generator, draws: int) -> FloatArray:
    values = candidate.cost_samples
    if values.size == 1:
        return np.full(draws, candidate.cost)
    rows = max(1, _VALUES_AT_ONCE // values.size)
    parts = [
        np.median(values[rng.integers(0, values.size, size=(min(rows, draws - start), values.size))], axis=1)
        for start in range(0, draws, rows)
    ]
    return np.concatenate(parts)
