"""Which models are worth having: those that no other beats in both speed and quality, and how sure that is."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from benchmarks.statistics.pairs import PromptKey, Scores
from benchmarks.statistics.stats import FloatArray

_DRAWS = 2_000
_VALUES_AT_ONCE = 2_000_000  # 16 MB


def frontier(costs: Sequence[float] | FloatArray, qualities: Sequence[float] | FloatArray, *, more: bool) -> list[bool]:
    """Which points no other beats: at least as good in both, and better in one.

    Args:
        more: A higher cost axis is better, as in tokens/s; False for seconds and bytes.
    """
    return [bool(each) for each in _unbeaten(np.asarray(costs)[None], np.asarray(qualities)[None], more=more)[0]]


def frontier_chances(
    costs: Sequence[FloatArray], answered: Sequence[Scores], *, more: bool, rng: Generator
) -> list[float]:
    """Each model's share of bootstrap resamples in which it is on the frontier.

    Prompts that all models have graded are resampled by template, the same ones for all models; the medians of the
    cost's samples by itself for each.

    Args:
        costs: Samples of what is drawn against quality, by model; one value does not vary.
        answered: The same models' graded answers.

    Raises:
        ValueError: No model, or no prompt that all of them have graded.
    """
    if not answered:
        raise ValueError("no model to place")
    prompts = [prompt for prompt in answered[0].grades if all(prompt in each.grades for each in answered)]
    if not prompts:
        raise ValueError("no prompt is graded for all of these models")
    sums, sizes = _by_cluster(answered, prompts)
    drawn = rng.multinomial(sizes.size, np.full(sizes.size, 1 / sizes.size), size=_DRAWS).astype(np.float64)
    qualities = (drawn @ sums.T) / (drawn @ sizes)[:, None]
    medians = np.column_stack([_resampled_medians(each, rng) for each in costs])
    return [float(chance) for chance in _unbeaten(medians, qualities, more=more).mean(axis=0)]


def _unbeaten(costs: FloatArray, qualities: FloatArray, *, more: bool) -> npt.NDArray[np.bool_]:
    """Shape (draws, models) in and out."""
    speed = costs if more else -costs
    at_least = (speed[:, :, None] >= speed[:, None, :]) & (qualities[:, :, None] >= qualities[:, None, :])
    better = (speed[:, :, None] > speed[:, None, :]) | (qualities[:, :, None] > qualities[:, None, :])
    beaten = np.any(at_least & better, axis=1)
    return np.asarray(~beaten, dtype=np.bool_)


def _by_cluster(answered: Sequence[Scores], prompts: Sequence[PromptKey]) -> tuple[FloatArray, FloatArray]:
    """Sums of grades, shape (models, clusters), and prompts in each cluster."""
    clusters = [answered[0].clusters[prompt] for prompt in prompts]
    places: Mapping[object, int] = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
    index = np.array([places[cluster] for cluster in clusters])
    grades = np.array([[each.grades[prompt] for prompt in prompts] for each in answered])
    sums = np.stack([np.bincount(index, weights=mine, minlength=len(places)) for mine in grades])
    return sums.astype(np.float64), np.bincount(index, minlength=len(places)).astype(np.float64)


def _resampled_medians(values: FloatArray, rng: Generator) -> FloatArray:
    if values.size == 1:
        return np.full(_DRAWS, values[0])
    rows = max(1, _VALUES_AT_ONCE // values.size)
    parts = [
        np.median(values[rng.integers(0, values.size, size=(min(rows, _DRAWS - start), values.size))], axis=1)
        for start in range(0, _DRAWS, rows)
    ]
    return np.concatenate(parts)
