"""What a report says, before it becomes Markdown, HTML or JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.analysis.figures import gather
from benchmarks.analysis.points import placed_points
from benchmarks.analysis.verdict import Verdict, verdict
from benchmarks.reports import sections as report_sections
from benchmarks.reports.parts import Section
from benchmarks.runs.on_disk import newest_first
from benchmarks.runs.read import AGAIN, Run, RunError
from benchmarks.statistics.pairs import PairComparison, compare_pair

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        points: As `benchmarks.analysis.points.joined_points`.
        verdicts: Of every other model against `base`.
        comparisons: The same, suite by suite.
    """

    runs: tuple[Run, ...]
    base: str
    points: "pd.DataFrame"
    verdicts: tuple[Verdict, ...]
    comparisons: tuple[PairComparison, ...]
    sections: tuple[Section, ...]


def collect(runs: Sequence[Run], *, base: str | None = None) -> Report:
    """Work out a report.

    Args:
        base: The model that the others are compared with; None takes the first of the newest graded run.

    Raises:
        RunError: No rows at all, or the base is in none of the runs.
    """
    ordered = newest_first(runs)
    models = _models(ordered)
    if not models:
        raise RunError(f"{', '.join(run.id for run in ordered)}: no rows yet; let the run make some first")
    if base is not None and base not in models:
        raise RunError(f"no run has a model {base!r}; there are {', '.join(models)}")
    chosen = base or models[0]
    others = [model for model in models if model != chosen]
    labels = {model: run.label(model) for run in reversed(ordered) for model in run.by_model}
    figures = gather(ordered)
    points = placed_points(figures)
    verdicts = tuple(found for model in others if (found := _verdict(ordered, model, chosen)) is not None)
    comparisons = tuple(pair for found in verdicts for pair in _by_suite(found))
    sections = [
        report_sections.verdicts_section(verdicts, chosen),
        *report_sections.frontier_sections(points),
        report_sections.within_section(figures, chosen),
        report_sections.figures_section(points),
        report_sections.suites_section(comparisons, labels),
        *report_sections.effects_sections(ordered),
        *report_sections.waterfall_sections(ordered, models),
        *report_sections.depth_sections(ordered),
        *report_sections.noise_sections(ordered),
        report_sections.sameness_section(ordered),
        *report_sections.flips_sections(verdicts),
        report_sections.sources_section(ordered),
    ]
    kept = tuple(section for section in sections if section.text or section.table or section.chart)
    return Report(
        runs=tuple(ordered), base=chosen, points=points, verdicts=verdicts, comparisons=comparisons, sections=kept
    )


def _models(runs: Sequence[Run]) -> list[str]:
    """Models in the order of the graded runs' manifests, then the others; second arms are left out."""
    graded = [run for run in runs if any(row.grade is not None for row in run.rows)]
    named = [model for run in (*graded, *runs) for model in (*run.models, *run.by_model) if model in run.by_model]
    return list(dict.fromkeys(model for model in named if not model.endswith(AGAIN)))


def _verdict(runs: Sequence[Run], model: str, base: str) -> Verdict | None:
    try:
        return verdict(runs, model, base)
    except RunError:  # not both are graded anywhere
        return None


def _by_suite(found: Verdict) -> list[PairComparison]:
    suites = dict.fromkeys(row.suite for row in found.run.by_model[found.a] if row.is_answer)
    pairs = []
    for suite in suites:
        try:
            pairs.append(compare_pair(found.run, found.a, found.b, suite=suite, condition=found.quality.condition))
        except RunError:  # fewer than two prompts of this suite
            continue
    return pairs
