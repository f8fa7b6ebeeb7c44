"""The 2×2 of size and rank: what each does to quality by itself, and whether they do something to each other.

The report that this project grew from changed both at once. Four models, one per cell, that answered the same prompts
separate the two.
"""

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.runs.read import AGAIN, Run, RunError
from benchmarks.statistics.clusters import clustered_mean
from benchmarks.statistics.pairs import Scores, scores
from benchmarks.statistics.stats import FloatArray, Interval

Cell = tuple[str, int]
"""Size and rank, such as ("135M", 16)."""

_SIZE = re.compile(r"[-_ ]?\b\d+(\.\d+)?[KMB]\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Factorial:
    """Effects in share correct, paired by prompt, with 95% intervals clustered by template.

    Attributes:
        sizes, ranks: The two levels of each, smaller first.
        models: The model in each cell.
        shares: Share correct of each cell, over the prompts that all four have graded.
        size: Mean gain of the larger size over both ranks.
        rank: Mean gain of the larger rank over both sizes.
        interaction: Gain of the larger rank at the larger size less that at the smaller one.
        n: Prompts.
    """

    sizes: tuple[str, str]
    ranks: tuple[int, int]
    models: Mapping[Cell, str]
    shares: Mapping[Cell, float]
    size: Interval
    rank: Interval
    interaction: Interval
    n: int


def cells_of(run: Run) -> dict[Cell, str]:
    """The models of a run that form a 2×2 of one family and one quantization.

    Bases whose names differ in the size alone, such as Llama-3.2-1B-Instruct and Llama-3.2-3B-Instruct, are one family.

    Raises:
        RunError: There is no such square; the message says what is there.
    """
    by_family: dict[tuple[str, object], dict[Cell, str]] = {}
    for model, facts in run.models.items():
        rank, size = facts.get("rank"), facts.get("size")
        if isinstance(rank, int) and isinstance(size, str) and not model.endswith(AGAIN) and model in run.by_model:
            family = _SIZE.sub("", str(facts.get("base")))
            by_family.setdefault((family, facts.get("quantization")), {})[size, rank] = model
    for cells in by_family.values():
        if len(cells) == 4 and len({size for size, _ in cells}) == 2 == len({rank for _, rank in cells}):
            return cells
    there = "; ".join(f"{family} {quantization}: {len(cells)}" for (family, quantization), cells in by_family.items())
    raise RunError(
        f"{run.id}: no four models of one family and quantization with two sizes and two ranks "
        f"(fine-tunes there: {there or 'none'})"
    )


def factorial(run: Run, *, suite: str | None = None) -> Factorial:
    """Main effects and interaction of the run's square, "batched" where it has that, else in its first condition.

    Args:
        suite: None pools all.

    Raises:
        RunError: No 2×2, or no prompts that all four have graded.
    """
    square = cells_of(run)
    sizes = sorted({size for size, _ in square}, key=parameters_of)
    ranks = sorted({rank for _, rank in square})
    condition = _condition(run, list(square.values()))
    answered = {cell: scores(run, model, condition, suite=suite) for cell, model in square.items()}
    corners = [answered[size, rank] for size in sizes for rank in ranks]
    prompts = [prompt for prompt in corners[0].grades if all(prompt in each.grades for each in corners)]
    if len({corners[0].clusters[prompt] for prompt in prompts}) < 2:
        raise RunError(f"{run.id}: {len(prompts)} prompts are graded for all four models; effects need at least 2")
    low_low, low_high, high_low, high_high = (
        np.array([each.grades[prompt] for prompt in prompts], dtype=np.float64) for each in corners
    )

    def effect(values: FloatArray) -> Interval:
        return _effect(values, corners[0], prompts)

    return Factorial(
        sizes=(sizes[0], sizes[1]),
        ranks=(ranks[0], ranks[1]),
        models=square,
        shares={cell: float(np.mean([each.grades[prompt] for prompt in prompts])) for cell, each in answered.items()},
        size=effect((high_low + high_high - low_low - low_high) / 2),
        rank=effect((low_high + high_high - low_low - high_low) / 2),
        interaction=effect((high_high - high_low) - (low_high - low_low)),
        n=len(prompts),
    )


def _effect(values: FloatArray, first: Scores, prompts: Sequence[tuple[str, str]]) -> Interval:
    rng = np.random.default_rng(zlib.crc32(f"{values.size} {values.sum():.6f}".encode()))
    return clustered_mean(values, [first.clusters[prompt] for prompt in prompts], rng=rng)


def _condition(run: Run, models: Sequence[str]) -> str:
    there = list(dict.fromkeys(row.condition for row in run.by_model[models[0]] if row.grade is not None))
    if not there:
        raise RunError(f"{run.id}: {models[0]} has no graded answers yet; let the run finish first")
    return "batched" if "batched" in there else there[0]


def parameters_of(size: str) -> float:
    """A size such as "135M" as a number, so that sizes sort by what they say."""
    factors = {"K": 1e3, "M": 1e6, "B": 1e9}
    try:
        return float(size[:-1]) * factors[size[-1].upper()]
    except (ValueError, KeyError, IndexError):
        return 0.0
