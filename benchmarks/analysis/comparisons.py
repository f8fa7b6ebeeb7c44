"""The models of one run against one of them: who answered more of the same prompts right."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.pairs import PairComparison, compare_pair
from benchmarks.statistics.stats import holm, points_text
from data.tables import markdown


def compare(run: Run, base: str, *, by_kind: bool = False) -> list[PairComparison]:
    """Every other model of a run against `base`, by condition and suite; the difference is the model's less the base's.

    Args:
        by_kind: Also each kind of prompt by itself.

    Raises:
        RunError: The base is not in the run, is alone in it, or nothing is graded for it and another model.
    """
    models = list(run.by_model)
    if base not in models:
        raise RunError(f"{run.id} has no model {base!r}; it has {', '.join(models) or 'no rows yet'}")
    if len(models) < 2:
        raise RunError(f"{run.id} has one model only; a comparison needs two")
    found = []
    slices: dict[tuple[str, str], dict[str, None]] = {}
    for row in run.rows:
        if row.grade is not None:
            slices.setdefault((row.condition, row.suite), {})[row.kind] = None
    for (condition, suite), kinds in slices.items():
        for model in models:
            for kept in ((), *((kind,) for kind in kinds if by_kind)):
                if model != base:
                    found.append(_pair(run, model, base, condition, suite, kept))
    comparisons = [comparison for comparison in found if comparison is not None]
    if not comparisons:
        raise RunError(f"{run.id}: nothing is graded for {base!r} and another model; let the run finish first")
    return comparisons


def _pair(run: Run, model: str, base: str, condition: str, suite: str, kinds: tuple[str, ...]) -> PairComparison | None:
    try:
        return compare_pair(run, model, base, suite=suite, kinds=kinds, condition=condition)
    except RunError:  # fewer than two prompts of this slice are graded for both
        return None


def table(comparisons: Sequence[PairComparison], margin: float | None = None) -> str:
    """The comparisons as a Markdown table; `margin` in share of prompts."""
    head = ["condition", "suite", "slice", "model", "base", "model ", "difference, points [95%]"]
    head += ["only base", "only model", "p", "p (Holm)", "detectable", "cut, base", "cut, model"]
    head += ["non-inferior"] if margin is not None else []
    adjusted = holm([each.p_value for each in comparisons])
    rows = [_cells(each, p_value, margin) for each, p_value in zip(comparisons, adjusted, strict=True)]
    return markdown(head, rows)


def _cells(each: PairComparison, adjusted: float, margin: float | None) -> list[str]:
    return [
        each.condition,
        each.suite or "all",
        ", ".join(each.kinds) or "all",
        each.a,
        f"{each.share_b:.1%}",
        f"{each.share_a:.1%}",
        points_text(each.interval),
        str(each.only_b),
        str(each.only_a),
        f"{each.p_value:.2g}",
        f"{adjusted:.2g}",
        "–" if each.detectable is None else f"{100 * each.detectable:.1f}",
        cut_cell(each.cut_b, each.bounds_b),
        cut_cell(each.cut_a, each.bounds_a),
        *([] if margin is None else [_kept(each, margin)]),
    ]


def cut_cell(cut: int, bounds: tuple[float, float]) -> str:
    """Prompts whose answer was cut by its limit, and the share correct if those were wrong, or right: "3 (41–44%)"."""
    return f"{cut} ({100 * bounds[0]:.0f}–{bounds[1]:.0%})" if cut else "0"


def _kept(each: PairComparison, margin: float) -> str:
    """Non-inferior whatever the truncated answers would have been, or not decided, or not shown."""
    if each.low <= -margin:
        return "no"
    lost_by_cuts = each.bounds_a[0] - each.bounds_b[1]
    return "yes" if each.low + min(0.0, lost_by_cuts - each.difference) > -margin else "not decided"


def comparison_json(each: PairComparison) -> dict[str, Any]:
    """A comparison with what follows from it, for JSON."""
    return {**asdict(each), "detectable": each.detectable, "separable": each.separable, "cut_decides": each.cut_decides}
