"""Decode rate after so many tokens of context: every step reads the whole KV cache too, so it falls with depth."""

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.analysis.summary import median_of
from benchmarks.runs.read import DEPTH, Run
from benchmarks.statistics.stats import Interval


@dataclass(frozen=True, kw_only=True)
class DepthPoint:
    """Tokens/s of one model after `depth` tokens; prefill is of those tokens themselves, None at depth 0."""

    model: str
    label: str
    depth: int
    decode_tok_per_s: Interval
    prefill_tok_per_s: Interval | None


def depth_points(run: Run) -> list[DepthPoint]:
    """By model, shallow first; empty where the run timed no depth."""
    found: dict[tuple[str, int], list[tuple[float | None, float | None]]] = {}
    for row in run.rows:
        if row.suite == DEPTH and row.error is None:
            depth = int(row.prompt_id.partition("-")[0].removeprefix("d"))
            found.setdefault((row.model, depth), []).append((row.decode_tok_per_s, row.prefill_tok_per_s))
    points = [_point(run, model, depth, rates) for (model, depth), rates in found.items()]
    places = {model: place for place, model in enumerate(run.by_model)}
    known = [point for point in points if point is not None]
    return sorted(known, key=lambda point: (places[point.model], point.depth))


def _point(run: Run, model: str, depth: int, rates: Iterable[tuple[float | None, float | None]]) -> DepthPoint | None:
    decodes, prefills = zip(*rates)
    decode = median_of(decodes, f"{run.id} {model} {depth} decode")
    if decode is None:
        return None
    return DepthPoint(
        model=model,
        label=run.label(model),
        depth=depth,
        decode_tok_per_s=decode,
        prefill_tok_per_s=median_of(prefills, f"{run.id} {model} {depth} prefill") if depth else None,
    )
