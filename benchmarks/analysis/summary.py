"""What a run's rows say of each model: one summary per model and condition."""

import dataclasses
import math
import statistics
import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.runs.read import AS_SERVED, FIXED_SHAPE, Row, Run
from benchmarks.statistics.clusters import cluster_of, clustered_mean
from benchmarks.statistics.stats import Interval, median_interval, wilson
from data.tables import aligned

MIN_DECODE_TOKENS = 8
"""Fewer decoded tokens than this give no decode rate: a step takes about as long as the clock's noise."""

_FEWEST_FOR_INTERVAL = 6

SINGLE_SEQUENCE = ("timed-cold", "warm")
"""Conditions whose wall seconds are one answer's own; batched wall time is shared by several answers."""


@dataclass(frozen=True, kw_only=True)
class Summary:
    """One model under one condition. None where nothing was measured; an interval's n says from how many samples.

    Attributes:
        run: Where it comes from.
        decode_tok_per_s: Median over the graded prompts' answers of at least 8 decoded tokens.
        fixed_decode_tok_per_s, fixed_prefill_tok_per_s: Median over the fixed-shape samples.
        itl_p50_s, itl_p95_s: Medians over the answers of their inter-token quantiles.
        characters_per_s: Median; compares across tokenizers, which tokens do not.
        answer_s: Median wall seconds per answer; of single-sequence conditions only, or as served.
        s_per_correct: Wall seconds of the graded answers over the number of correct ones; of the same conditions.
        usd_per_correct: What their tokens cost by the price of the model's entry, over the number of correct ones.
        accuracy: Share correct among the graded prompts; its interval counts a template or a repeated prompt once.
        bounds: What that share would be if every truncated answer were wrong, and if every one were right.
        correct, graded: Counts behind it; a repetition's answers count too.
        truncated: Answers that their limit cut.
        looped: Answers that repeated themselves and were ended.
        ungradable, errors, noisy: Counts, among `samples`.
    """

    run: Run = dataclasses.field(repr=False)
    model: str
    condition: str
    samples: int
    decode_tok_per_s: Interval | None
    prefill_tok_per_s: Interval | None
    ttft_s: Interval | None
    itl_p50_s: Interval | None
    itl_p95_s: Interval | None
    characters_per_s: Interval | None
    answer_s: Interval | None
    s_per_correct: float | None
    usd_per_correct: float | None
    fixed_decode_tok_per_s: Interval | None
    fixed_prefill_tok_per_s: Interval | None
    accuracy: Interval | None
    bounds: tuple[float, float] | None
    correct: int
    graded: int
    truncated: int
    looped: int
    ungradable: int
    errors: int
    noisy: int
    peak_rss_bytes: int | None

    @property
    def source(self) -> str:
        """Where the figures come from, in words."""
        return f"{self.run.id} ({self.condition})"

    @property
    def rows(self) -> tuple[Row, ...]:
        """The samples behind them."""
        return tuple(row for row in self.run.by_model.get(self.model, ()) if row.condition == self.condition)


def summarise(run: Run) -> list[Summary]:
    """Summaries in the manifest's order of models, for the conditions that have rows."""
    by_slice: dict[tuple[str, str], list[Row]] = {}
    for row in run.rows:
        by_slice.setdefault((row.model, row.condition), []).append(row)
    order = {model: place for place, model in enumerate(run.models)}
    return [
        _summary(run, model, condition, rows)
        for (model, condition), rows in sorted(
            by_slice.items(), key=lambda item: (order.get(item[0][0], len(order)), item[0])
        )
    ]


def _summary(run: Run, model: str, condition: str, all_rows: Sequence[Row]) -> Summary:
    good = [row for row in all_rows if row.error is None]
    rows = [row for row in good if row.is_answer]
    fixed = [row for row in good if row.suite == FIXED_SHAPE]
    timed = rows if condition != "batched" else []  # a step there is shared, and so is no answer's own speed
    grades = [row.grade for row in rows if row.grade is not None]
    correct = sum(1 for grade in grades if grade >= 1)
    alone = rows if condition in (*SINGLE_SEQUENCE, AS_SERVED) else []

    def median(values: Iterable[float | None], name: str) -> Interval | None:
        return median_of(values, f"{run.id} {model} {condition} {name}")

    return Summary(
        run=run,
        model=model,
        condition=condition,
        samples=len(all_rows),
        decode_tok_per_s=median(map(decode_rate, timed), "decode"),
        prefill_tok_per_s=median((row.prefill_tok_per_s for row in timed), "prefill"),
        ttft_s=median((row.ttft_s for row in timed), "ttft"),
        itl_p50_s=median((row.itl_p50_s for row in timed), "itl p50"),
        itl_p95_s=median((row.itl_p95_s for row in timed), "itl p95"),
        characters_per_s=median(map(character_rate, timed), "characters"),
        answer_s=median((row.total_s for row in alone), "answer"),
        s_per_correct=_per_correct([row.total_s for row in alone if row.grade is not None], correct),
        usd_per_correct=_per_correct([_usd(run, row) for row in rows if row.grade is not None], correct),
        fixed_decode_tok_per_s=median(map(decode_rate, fixed), "fixed decode"),
        fixed_prefill_tok_per_s=median((row.prefill_tok_per_s for row in fixed), "fixed prefill"),
        accuracy=_accuracy(rows),
        bounds=truncation_bounds(rows),
        correct=correct,
        graded=len(grades),
        truncated=sum(row.truncated for row in rows),
        looped=sum(row.looped for row in rows),
        ungradable=len(rows) - len(grades),
        errors=len(all_rows) - len(good),
        noisy=sum(row.noisy for row in good),
        peak_rss_bytes=run.models.get(model, {}).get("peak_rss_bytes"),
    )


def _per_correct(costs: Sequence[float | None], correct: int) -> float | None:
    """None where one of them is not known, or nothing is right."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) / correct if known and correct and len(known) == len(costs) else None


def _usd(run: Run, row: Row) -> float | None:
    """What the answer's tokens cost; None without a price, or where the server did not tell them."""
    read, written = (run.models.get(row.model, {}).get(f"usd_per_million_{way}") for way in ("in", "out"))
    if read is None or written is None or row.prompt_tokens is None or row.completion_tokens is None:
        return None
    return float(read * row.prompt_tokens + written * row.completion_tokens) / 1e6


def _accuracy(rows: Sequence[Row]) -> Interval | None:
    """Share correct: Wilson's interval where every graded answer is a witness of its own; else by clusters.

    Repetitions of a prompt are averaged, and prompts of one template rise and fall together.
    """
    grades: dict[tuple[str, str], list[float]] = {}
    clusters: dict[tuple[str, str], Hashable] = {}
    for row in rows:
        if row.grade is not None:
            key = (row.suite, row.prompt_id)
            grades.setdefault(key, []).append(row.grade)
            clusters[key] = cluster_of(row)
    if not grades:
        return None
    shares = [statistics.fmean(values) for values in grades.values()]
    count, share = len(set(clusters.values())), statistics.fmean(shares)
    if count < 2 or len(set(shares)) == 1 or count == sum(map(len, grades.values())):
        plain = wilson(round(share * count), count)
        return dataclasses.replace(plain, estimate=share, n=len(shares))
    found = clustered_mean(shares, list(clusters.values()), rng=np.random.default_rng(count))
    return dataclasses.replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def truncation_bounds(rows: Iterable[Row]) -> tuple[float, float] | None:
    """The share correct if every truncated answer were wrong, and if every one were right; None where none is graded.

    Repetitions of a prompt are averaged.
    """
    lows: dict[tuple[str, str], list[float]] = {}
    highs: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if row.grade is not None:
            key = (row.suite, row.prompt_id)
            lows.setdefault(key, []).append(0.0 if row.truncated else row.grade)
            highs.setdefault(key, []).append(1.0 if row.truncated else row.grade)
    if not lows:
        return None
    low, high = (statistics.fmean(map(statistics.fmean, grades.values())) for grades in (lows, highs))
    return low, high


def bounds_text(bounds: tuple[float, float] | None, truncated: int) -> str:
    """Such as "31% to 78%"; a dash where nothing was cut."""
    return f"{bounds[0]:.0%} to {bounds[1]:.0%}" if bounds and truncated else "–"


def decode_rate(row: Row) -> float | None:
    """Tokens/s of an answer that is long enough to have a rate."""
    return row.decode_tok_per_s if (row.decode_tokens or 0) >= MIN_DECODE_TOKENS else None


def character_rate(row: Row) -> float | None:
    """Characters per second of decoding; the first token's, which the prefill gave, are taken off by its share."""
    if (row.decode_tokens or 0) < MIN_DECODE_TOKENS or not row.decode_s or not row.completion_tokens:
        return None
    share = (row.decode_tokens or 0) / row.completion_tokens
    return (row.completion_characters or 0) * min(1.0, share) / row.decode_s


def median_of(values: Iterable[float | None], seed: str) -> Interval | None:
    """Median and interval, the same at every reading; fewer than six values give no 95% interval, and NaN ends."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    if len(known) < _FEWEST_FOR_INTERVAL:
        return Interval(estimate=statistics.median(known), low=math.nan, high=math.nan, n=len(known))
    return median_interval(known, rng=np.random.default_rng(zlib.crc32(seed.encode())))


_COLUMNS: dict[str, Callable[[Summary], str]] = {
    "model": lambda each: each.model,
    "condition": lambda each: each.condition,
    "decode tok/s": lambda each: _range(each.decode_tok_per_s or each.fixed_decode_tok_per_s, ".1f"),
    "prefill tok/s": lambda each: _range(each.prefill_tok_per_s or each.fixed_prefill_tok_per_s, ".0f"),
    "TTFT s": lambda each: _range(each.ttft_s, ".2f"),
    "correct": lambda each: _share(each),
    "truncated": lambda each: str(each.truncated),
    "if right/wrong": lambda each: bounds_text(each.bounds, each.truncated),
    "looped": lambda each: str(each.looped),
    "ungradable": lambda each: str(each.ungradable),
    "errors": lambda each: str(each.errors),
    "noisy": lambda each: str(each.noisy),
    "peak RSS MB": lambda each: f"{each.peak_rss_bytes / 1e6:.0f}" if each.peak_rss_bytes else "–",
}


_PRICED: dict[str, Callable[[Summary], str]] = {
    "s per correct": lambda each: "–" if each.s_per_correct is None else f"{each.s_per_correct:.2f}",
    "$ per correct": lambda each: "–" if each.usd_per_correct is None else f"{each.usd_per_correct:.3g}",
}


def table(summaries: Sequence[Summary]) -> str:
    """The summaries as aligned text; speeds are the fixed shape's where no prompt was answered.

    What a correct answer costs stands there where a model has a price.
    """
    columns = _COLUMNS | (_PRICED if any(each.usd_per_correct is not None for each in summaries) else {})
    return aligned([list(columns), *([cell(each) for cell in columns.values()] for each in summaries)])


def as_json(summary: Summary) -> dict[str, float | int | str | None]:
    """The flat object that `benchmarks.run --json` prints for one model; null where unknown."""
    accuracy, fixed = summary.accuracy, summary.fixed_decode_tok_per_s
    return {
        "id": summary.model,
        "condition": summary.condition,
        "decode_tok_per_s": _estimate(summary.decode_tok_per_s),
        "prefill_tok_per_s": _estimate(summary.prefill_tok_per_s),
        "ttft_s": _estimate(summary.ttft_s),
        "itl_p50_s": _estimate(summary.itl_p50_s),
        "itl_p95_s": _estimate(summary.itl_p95_s),
        "accuracy": _estimate(accuracy),
        "accuracy_low": accuracy.low if accuracy else None,
        "accuracy_high": accuracy.high if accuracy else None,
        "n": summary.graded,
        "correct": summary.correct,
        "truncated": summary.truncated,
        "looped": summary.looped,
        "accuracy_if_truncated_wrong": summary.bounds[0] if summary.bounds else None,
        "accuracy_if_truncated_right": summary.bounds[1] if summary.bounds else None,
        "ungradable": summary.ungradable,
        "errors": summary.errors,
        "noisy": summary.noisy,
        "s_per_correct": summary.s_per_correct,
        "usd_per_correct": summary.usd_per_correct,
        "fixed_decode_tok_per_s": _estimate(fixed),
        "fixed_prefill_tok_per_s": _estimate(summary.fixed_prefill_tok_per_s),
        "peak_rss_bytes": summary.peak_rss_bytes,
    }


def _estimate(interval: Interval | None) -> float | None:
    return interval.estimate if interval else None


def _range(interval: Interval | None, form: str) -> str:
    if interval is None:
        return "–"
    ends = "" if math.isnan(interval.low) else f" [{interval.low:{form}}, {interval.high:{form}}]"
    return f"{interval.estimate:{form}}{ends}"


def _share(summary: Summary) -> str:
    if summary.accuracy is None:
        return "–"
    low, high = summary.accuracy.low, summary.accuracy.high
    return f"{summary.correct}/{summary.graded} = {summary.accuracy.estimate:.0%} [{low:.0%}, {high:.0%}]"
