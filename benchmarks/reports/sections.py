"""The sections of a report, each from runs or from what was worked out of them."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.analysis.comparisons import cut_cell
from benchmarks.analysis.depth import depth_points
from benchmarks.analysis.figures import ModelFigures
from benchmarks.analysis.speed_ratio import self_ratios
from benchmarks.analysis.verdict import Verdict
from benchmarks.analysis.waterfall import chain, waterfall
from benchmarks.analysis.within import Answers, all_answers, curve
from benchmarks.analysis.within_text import pair_text
from benchmarks.charts.effects import factorial_chart, factorial_words, waterfall_chart, waterfall_words
from benchmarks.charts.scatter import scatter
from benchmarks.charts.speed import depth_chart, noise_chart
from benchmarks.charts.within import within_chart
from benchmarks.reports.parts import (
    Section,
    Table,
    chart_of,
    ended_text,
    interval_text,
    number_text,
    rest_text,
    share_of_point,
    share_text,
    shortened,
)
from benchmarks.runs.read import AGAIN, Run, RunError
from benchmarks.statistics.consistency import batch_effects, consistencies
from benchmarks.statistics.factorial import Factorial, factorial
from benchmarks.statistics.flips import flip_table
from benchmarks.statistics.pairs import PairComparison, compare_pair
from benchmarks.statistics.sequential import early_texts
from benchmarks.statistics.stats import holm, points_text
from data.models.registry import load_registry

if TYPE_CHECKING:
    import pandas as pd

_MOST_FLIPS = 30
_FIGURES = (
    *("model", "correct", "decode tok/s", "prefill tok/s", "TTFT s", "characters/s", "s per answer"),
    *("s per correct answer", "on frontier", "file MB", "peak MB", "load s", "cut off", "if wrong/right"),
    *("looped", "ungradable", "errors", "noisy", "from"),
)
_SUITES = (
    *("suite", "model", "base", "base correct", "model correct", "difference, points [95%]", "n"),
    *("only base", "only model", "p", "p (Holm)", "detectable", "cut, base", "cut, model"),
)


def verdicts_section(verdicts: Sequence[Verdict], base: str) -> Section:
    if not verdicts:
        return Section(title="Verdict", text=(f"Nothing is graded for {base} and another model.",))
    return Section(title="Verdict", text=tuple(found.sentence for found in verdicts))


def frontier_sections(points: "pd.DataFrame") -> list[Section]:
    sections = []
    for axis, title in (("decode_tok_per_s", "Speed and quality"), ("s_per_correct_answer", "Cost of a right answer")):
        chart = chart_of(partial(scatter, points[points["alike"]], axis=axis))
        if chart:
            sections.append(Section(title=title, chart=chart, text=("Lines are 95% intervals; dashed: the frontier.",)))
    return sections


def within_section(figures: Sequence[ModelFigures], base: str) -> Section:
    """Curves of the models that were asked the base's prompts, and each one against it."""
    answers, problems = all_answers([each for each in figures if each.quality])
    against = next((each for each in answers if each.model == base), None)
    alike = [each for each in answers if against and set(each.keys) == set(against.keys)]
    sentences = [_pair_text(each, against) for each in alike if against and each is not against]
    curves = []
    for each in alike:
        try:
            curves.append(curve(each))
        except RunError as error:
            problems.append(str(error))
    if others := [each.label for each in answers if each not in alike]:
        problems.append(f"{', '.join(others)} answered other prompts")
    return Section(
        title="Right within the time one has",
        text=(*sentences, *(f"Left out: {problem}." for problem in problems if alike)),
        chart=chart_of(lambda: within_chart(curves)),
    )


def _pair_text(a: Answers, b: Answers) -> str:
    try:
        return pair_text(a, b)
    except RunError as error:
        return f"{error}."


def figures_section(points: "pd.DataFrame") -> Section:
    rows = tuple(
        (
            str(point["label"]),
            share_of_point(point),
            ended_text(point, "decode_tok_per_s", ".1f"),
            number_text(point["prefill_tok_per_s"], ".0f"),
            ended_text(point, "ttft_s", ".2f"),
            number_text(point["characters_per_s"], ".0f"),
            ended_text(point, "answer_s", ".2f"),
            ended_text(point, "s_per_correct_answer", ".2f"),
            number_text(point["p_on_frontier"], ".0%"),
            number_text(point["file_size_bytes"], ".0f", 1e6),
            number_text(point["peak_rss_bytes"], ".0f", 1e6),
            number_text(point["load_s"], ".2f"),
            *(str(point[name]) for name in ("truncated", "bounds", "looped", "ungradable", "errors", "noisy")),
            str(point["note"]),
        )
        for point in points.to_dict("records")
    )
    return Section(title="Figures", table=_with_prices(Table(head=_FIGURES, rows=rows), points))


def _with_prices(table: Table, points: "pd.DataFrame") -> Table:
    """Dollars beside seconds per correct answer, where a model has a price."""
    prices = points["usd_per_correct_answer"]
    if not prices.notna().any():
        return table
    at = _FIGURES.index("s per correct answer") + 1
    rows = tuple(
        (*row[:at], number_text(price, ".3g"), *row[at:]) for row, price in zip(table.rows, prices, strict=True)
    )
    return Table(head=(*table.head[:at], "$ per correct answer", *table.head[at:]), rows=rows)


def suites_section(comparisons: Sequence[PairComparison], labels: Mapping[str, str]) -> Section:
    adjusted = holm([each.p_value for each in comparisons])
    rows = tuple(
        (
            str(each.suite),
            labels.get(each.a, each.a),
            labels.get(each.b, each.b),
            f"{each.share_b:.1%}",
            f"{each.share_a:.1%}",
            points_text(each.interval),
            str(each.n),
            str(each.only_b),
            str(each.only_a),
            f"{each.p_value:.2g}",
            f"{p_value:.2g}",
            "–" if each.detectable is None else f"{100 * each.detectable:.1f}",
            cut_cell(each.cut_b, each.bounds_b),
            cut_cell(each.cut_a, each.bounds_a),
        )
        for each, p_value in zip(comparisons, adjusted, strict=True)
    )
    return Section(title="Suite by suite", table=Table(head=_SUITES, rows=rows) if rows else None)


def effects_sections(runs: Sequence[Run]) -> list[Section]:
    """Of the run with most prompts that all four models have graded."""
    found = [effects for run in runs if (effects := _square(run)) is not None]
    if not found:
        return []
    best = max(found, key=lambda effects: effects.n)
    chart = chart_of(lambda: factorial_chart(best))
    return [Section(title="Size and rank", text=(factorial_words(best),), chart=chart)]


def _square(run: Run) -> Factorial | None:
    try:
        return factorial(run)
    except RunError:  # no 2×2 in it
        return None


def waterfall_sections(runs: Sequence[Run], models: Sequence[str]) -> list[Section]:
    """Of the measured model with the most measured steps; the first of several."""
    registry = load_registry()
    chains = {model: chain(model, registry, measured=models) for model in models if model in registry}
    longest = max(chains, key=lambda model: len(chains[model]), default=None)
    if longest is None or len(chains[longest]) < 2:
        return []
    steps = waterfall(runs, longest, registry)
    return [
        Section(
            title="From base to file", text=(waterfall_words(steps),), chart=chart_of(lambda: waterfall_chart(steps))
        )
    ]


def depth_sections(runs: Sequence[Run]) -> list[Section]:
    points = next((found for run in runs if (found := depth_points(run))), [])
    if not points:
        return []
    rows = tuple(
        (
            each.label,
            str(each.depth),
            interval_text(each.decode_tok_per_s, ".1f"),
            interval_text(each.prefill_tok_per_s),
        )
        for each in points
    )
    head = ("model", "tokens of context", "decode tok/s", "prefill tok/s")
    chart = chart_of(lambda: depth_chart(points))
    return [Section(title="Decoding after a context", table=Table(head=head, rows=rows), chart=chart)]


def noise_sections(runs: Sequence[Run]) -> list[Section]:
    """Every model that was measured twice: what it shows against itself is noise, in speed and in quality."""
    timed, ratios = next(((run, found) for run in runs if (found := self_ratios(run))), (None, []))
    names = {each.model: timed.label(each.model) for each in ratios} if timed else {}
    words = [f"{names[each.model]} decodes at {interval_text(each.ratio, '.3f')}× its own rate." for each in ratios]
    for run in runs:
        for model in (again.removesuffix(AGAIN) for again in run.by_model if again.endswith(AGAIN)):
            words += _against_itself(run, model)
    if not words:
        return []
    chart = chart_of(lambda: noise_chart(ratios, names))
    return [Section(title="Noise floor", text=tuple(words), chart=chart)]


def _against_itself(run: Run, model: str) -> list[str]:
    try:
        pair = compare_pair(run, model + AGAIN, model)
    except RunError:  # nothing of it is graded
        return []
    return [f"{run.label(model)} against itself, {pair.condition}: {points_text(pair.interval)} points (n={pair.n})."]


def sameness_section(runs: Sequence[Run]) -> Section:
    effects = [(run, each) for run in runs for each in batch_effects(run)]
    repeats = [(run, each) for run in runs for each in consistencies(run)]
    rows = [
        (
            run.id,
            run.label(each.model),
            "batched and alone",
            str(each.n),
            share_text(each.differ),
            share_text(each.grades_differ),
        )
        for run, each in effects
    ]
    rows += [
        (
            run.id,
            run.label(each.model),
            f"repetitions, {each.condition}",
            str(each.n),
            rest_text(each.same_answer),
            rest_text(each.same_grade),
        )
        for run, each in repeats
    ]
    head = ("run", "model", "between", "prompts", "answers that differ", "grades that differ")
    return Section(title="The same again", table=Table(head=head, rows=tuple(rows)) if rows else None)


def flips_sections(verdicts: Sequence[Verdict]) -> list[Section]:
    """Of the base and the model that differs most from it."""
    if not verdicts:
        return []
    found = max(verdicts, key=lambda each: abs(each.quality.difference))
    flips = flip_table(found.run, found.a, found.b, condition=found.quality.condition)
    rows = tuple(
        (
            f"{flip.suite}/{flip.prompt_id}",
            flip.kind,
            found.label_a if flip.grade_a > flip.grade_b else found.label_b,
            shortened(flip.answer_a),
            shortened(flip.answer_b),
        )
        for flip in flips[:_MOST_FLIPS]
    )
    head = ("prompt", "kind", "right", found.label_a, found.label_b)
    text = (
        f"{len(flips)} prompts that only one of {found.label_a} and {found.label_b} got right; the first {len(rows)}:"
    )
    return [Section(title="Flips", text=(text,), table=Table(head=head, rows=rows))] if rows else []


def sources_section(runs: Sequence[Run]) -> Section:
    rows = tuple(
        (
            run.id,
            str(run.manifest.get("created_at", "–")),
            "yes" if run.finished else "no",
            run.machine,
            str((run.manifest.get("llama_cpp") or {}).get("variant", "–")),
            ", ".join(run.manifest.get("suites", {})) or "–",
            str(len(run.rows)),
            str((run.manifest.get("git") or {}).get("commit") or "–")[:12],
        )
        for run in runs
    )
    head = ("run", "made", "finished", "machine", "library", "suites", "rows", "commit")
    limits = (
        *(f"{run.id}: {text}." for run in runs for text in early_texts(run)),
        "Speeds hold for this CPU, this build and these threads. Tokens/s does not compare across tokenizers.",
        "Differences smaller than the detectable one may be there and not have been seen.",
    )
    return Section(title="What this rests on", text=limits, table=Table(head=head, rows=rows))
