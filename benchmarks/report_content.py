"""What a report says, before it becomes Markdown, HTML or JSON: sections of sentences, tables and charts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.consistency import batch_effects, consistencies
from benchmarks.depth import depth_points
from benchmarks.factorial import Factorial, factorial
from benchmarks.figures import newest_first
from benchmarks.pairs import PairComparison, compare_pair, flip_table
from benchmarks.points import joined_points
from benchmarks.runs import AGAIN, Run, RunError
from benchmarks.speed_ratio import self_ratios
from benchmarks.stats import Interval
from benchmarks.verdict import Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

_MOST_FLIPS = 30
_LONGEST_ANSWER = 160
_FIGURES = (
    *("model", "correct", "decode tok/s", "prefill tok/s", "TTFT s", "characters/s", "s per answer"),
    *("s per correct answer", "on frontier", "file MB", "peak MB", "load s", "cut off", "ungradable", "errors"),
    *("noisy", "from"),
)
_SUITES = (
    *("suite", "model", "base", "base correct", "model correct", "difference, points [95%]", "n"),
    *("only base", "only model", "p", "p (Holm)", "detectable"),
)


@dataclass(frozen=True, kw_only=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a report; `chart` is a Vega-Lite specification with the chart in words as its description."""

    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    chart: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it.

    Attributes:
        points: As `benchmarks.points.joined_points`.
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
    points = joined_points(ordered)
    verdicts = tuple(found for model in others if (found := _verdict(ordered, model, chosen)) is not None)
    comparisons = tuple(pair for found in verdicts for pair in _by_suite(ordered, found))
    sections = [
        _verdicts(verdicts, chosen),
        *_frontier(points),
        _figures(points),
        _suites(comparisons),
        *_effects(ordered),
        *_waterfall(ordered, models),
        *_depth(ordered),
        *_noise(ordered),
        _sameness(ordered),
        *_flips(ordered, verdicts),
        _sources(ordered),
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


def _by_suite(runs: Sequence[Run], found: Verdict) -> list[PairComparison]:
    run = next(run for run in runs if run.id == found.quality_run)
    suites = dict.fromkeys(row.suite for row in run.by_model[found.a] if row.is_answer)
    pairs = []
    for suite in suites:
        try:
            pairs.append(compare_pair(run, found.a, found.b, suite=suite, condition=found.quality.condition))
        except RunError:  # fewer than two prompts of this suite
            continue
    return pairs


def _verdicts(verdicts: Sequence[Verdict], base: str) -> Section:
    if not verdicts:
        return Section(title="Verdict", text=(f"Nothing is graded for {base} and another model.",))
    return Section(title="Verdict", text=tuple(found.sentence for found in verdicts))


def _frontier(points: "pd.DataFrame") -> list[Section]:
    from benchmarks.charts import scatter

    sections = []
    for axis, title in (("decode_tok_per_s", "Speed and quality"), ("s_per_correct_answer", "Cost of a right answer")):
        chart = _chart(partial(scatter, points, axis=axis))
        if chart:
            sections.append(Section(title=title, chart=chart, text=("Lines are 95% intervals; dashed: the frontier.",)))
    return sections


def _figures(points: "pd.DataFrame") -> Section:
    rows = tuple(
        (
            str(point["label"]),
            _share(point),
            _ended(point, "decode_tok_per_s", ".1f"),
            _number(point["prefill_tok_per_s"], ".0f"),
            _ended(point, "ttft_s", ".2f"),
            _number(point["characters_per_s"], ".0f"),
            _ended(point, "answer_s", ".2f"),
            _ended(point, "s_per_correct_answer", ".2f"),
            _number(point["p_on_frontier"], ".0%"),
            _number(point["file_size_bytes"], ".0f", 1e6),
            _number(point["peak_rss_bytes"], ".0f", 1e6),
            _number(point["load_s"], ".2f"),
            *(str(point[name]) for name in ("truncated", "ungradable", "errors", "noisy")),
            str(point["note"]),
        )
        for point in points.to_dict("records")
    )
    return Section(title="Figures", table=Table(head=_FIGURES, rows=rows))


def _suites(comparisons: Sequence[PairComparison]) -> Section:
    from benchmarks.stats import holm

    adjusted = holm([each.p_value for each in comparisons])
    rows = tuple(
        (
            str(each.suite),
            each.a,
            each.b,
            f"{each.share_b:.1%}",
            f"{each.share_a:.1%}",
            points_text(each.interval),
            str(each.n),
            str(each.only_b),
            str(each.only_a),
            f"{each.p_value:.2g}",
            f"{p_value:.2g}",
            "–" if each.detectable is None else f"{100 * each.detectable:.1f}",
        )
        for each, p_value in zip(comparisons, adjusted, strict=True)
    )
    return Section(title="Suite by suite", table=Table(head=_SUITES, rows=rows) if rows else None)


def _effects(runs: Sequence[Run]) -> list[Section]:
    """Of the run with most prompts that all four models have graded."""
    from benchmarks.effect_charts import factorial_chart, factorial_words

    found = [effects for run in runs if (effects := _square(run)) is not None]
    if not found:
        return []
    best = max(found, key=lambda effects: effects.n)
    chart = _chart(lambda: factorial_chart(best))
    return [Section(title="Size and rank", text=(factorial_words(best),), chart=chart)]


def _square(run: Run) -> Factorial | None:
    try:
        return factorial(run)
    except RunError:  # no 2×2 in it
        return None


def _waterfall(runs: Sequence[Run], models: Sequence[str]) -> list[Section]:
    """Of the measured model with the most measured steps; the first of several."""
    from benchmarks.effect_charts import waterfall_chart, waterfall_words
    from benchmarks.waterfall import chain, waterfall
    from data.registry import load_registry

    registry = load_registry()
    chains = {model: chain(model, registry, measured=models) for model in models if model in registry}
    longest = max(chains, key=lambda model: len(chains[model]), default=None)
    if longest is None or len(chains[longest]) < 2:
        return []
    steps = waterfall(runs, longest, registry)
    return [
        Section(title="From base to file", text=(waterfall_words(steps),), chart=_chart(lambda: waterfall_chart(steps)))
    ]


def _depth(runs: Sequence[Run]) -> list[Section]:
    from benchmarks.speed_charts import depth_chart

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
    chart = _chart(lambda: depth_chart(points))
    return [Section(title="Decoding after a context", table=Table(head=head, rows=rows), chart=chart)]


def _noise(runs: Sequence[Run]) -> list[Section]:
    from benchmarks.speed_charts import noise_chart

    ratios = next((found for run in runs if (found := self_ratios(run))), [])
    if not ratios:
        return []
    words = tuple(f"{each.model} against itself: {interval_text(each.ratio, '.3f')}×." for each in ratios)
    return [Section(title="Noise floor", text=words, chart=_chart(lambda: noise_chart(ratios)))]


def _sameness(runs: Sequence[Run]) -> Section:
    effects = [(run, each) for run in runs for each in batch_effects(run)]
    repeats = [(run, each) for run in runs for each in consistencies(run)]
    rows = [
        (run.id, each.model, "batched and alone", str(each.n), share_text(each.differ), share_text(each.grades_differ))
        for run, each in effects
    ]
    rows += [
        (
            run.id,
            each.model,
            f"repetitions, {each.condition}",
            str(each.n),
            _rest(each.same_answer),
            _rest(each.same_grade),
        )
        for run, each in repeats
    ]
    head = ("run", "model", "between", "prompts", "answers that differ", "grades that differ")
    return Section(title="The same again", table=Table(head=head, rows=tuple(rows)) if rows else None)


def _flips(runs: Sequence[Run], verdicts: Sequence[Verdict]) -> list[Section]:
    """Of the base and the model that differs most from it."""
    if not verdicts:
        return []
    found = max(verdicts, key=lambda each: abs(each.quality.difference))
    run = next(run for run in runs if run.id == found.quality_run)
    flips = flip_table(run, found.a, found.b, condition=found.quality.condition)
    rows = tuple(
        (
            f"{flip.suite}/{flip.prompt_id}",
            flip.kind,
            found.label_a if flip.grade_a > flip.grade_b else found.label_b,
            _short(flip.answer_a),
            _short(flip.answer_b),
        )
        for flip in flips[:_MOST_FLIPS]
    )
    head = ("prompt", "kind", "right", found.label_a, found.label_b)
    text = (
        f"{len(flips)} prompts that only one of {found.label_a} and {found.label_b} got right; the first {len(rows)}:"
    )
    return [Section(title="Flips", text=(text,), table=Table(head=head, rows=rows))] if rows else []


def _sources(runs: Sequence[Run]) -> Section:
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
        "Speeds hold for this CPU, this build and these threads. Tokens/s does not compare across tokenizers.",
        "Differences smaller than the detectable one may be there and not have been seen.",
    )
    return Section(title="What this rests on", text=limits, table=Table(head=head, rows=rows))


def _chart(draw: Callable[[], Any]) -> dict[str, Any] | None:
    try:
        spec: dict[str, Any] = draw().to_dict()
    except ValueError:  # nothing to draw
        return None
    return spec


def points_text(interval: Interval) -> str:
    return f"{100 * interval.estimate:+.1f} [{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"


def share_text(interval: Interval) -> str:
    return f"{interval.estimate:.0%} [{interval.low:.0%}, {interval.high:.0%}]"


def _rest(interval: Interval) -> str:
    return f"{1 - interval.estimate:.0%} [{1 - interval.high:.0%}, {1 - interval.low:.0%}]"


def interval_text(interval: Interval | None, form: str = ".1f") -> str:
    if interval is None:
        return "–"
    known = interval.low == interval.low  # NaN where there is a single sample
    return f"{interval.estimate:{form}}" + (f" [{interval.low:{form}}, {interval.high:{form}}]" if known else "")


def _number(value: Any, form: str, unit: float = 1.0) -> str:
    return "–" if value is None or value != value else f"{value / unit:{form}}"


def _ended(point: dict[Any, Any], name: str, form: str) -> str:
    text = _number(point[name], form)
    ends = [_number(point[f"{name}_{end}"], form) for end in ("low", "high")]
    return text if "–" in ends else f"{text} [{', '.join(ends)}]"


def _share(point: dict[Any, Any]) -> str:
    if point["accuracy"] != point["accuracy"]:
        return "–"
    return f"{point['correct']}/{point['n']} = {_ended(point, 'accuracy', '.1%')}"


def _short(answer: str | None) -> str:
    flat = " ".join((answer or "").split())
    return flat if len(flat) <= _LONGEST_ANSWER else flat[: _LONGEST_ANSWER - 1] + "…"
