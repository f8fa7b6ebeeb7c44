"""What changed from one run to another, as benchstat tells it: each figure before and after, and whether it is noise.

Only what both runs share is compared: models, conditions, and suites of the same content. Speeds are compared on one
CPU alone. What had to be left out is said.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmarks.analysis.speed_ratio import noise_floor
from benchmarks.analysis.summary import SINGLE_SEQUENCE, decode_rate
from benchmarks.runs.read import FIXED_SHAPE, Row, Run, RunError
from benchmarks.statistics.pairs import ALPHA, compare_scores, scores
from benchmarks.statistics.stats import holm, median_interval, ratio_of_medians
from data.tables import markdown

_SETTINGS = ("threads", "temperature", "context_tokens", "batch_sequences", "max_tokens", "seed")
_FEWEST = 4
_SHARE = "share correct"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure of one row; `more` says that a higher one is better."""

    name: str
    more: bool
    of: Callable[[Row], float | None]
    fixed: bool = False


METRICS = (
    Metric(name="decode tok/s", more=True, of=decode_rate),
    Metric(name="prefill tok/s", more=True, of=lambda row: row.prefill_tok_per_s),
    Metric(name="TTFT s", more=False, of=lambda row: row.ttft_s),
    Metric(name="ITL p95 s", more=False, of=lambda row: row.itl_p95_s),
    Metric(name="decode tok/s, fixed shape", more=True, of=decode_rate, fixed=True),
    Metric(name="prefill tok/s, fixed shape", more=True, of=lambda row: row.prefill_tok_per_s, fixed=True),
)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure in both runs.

    Attributes:
        a, b: Share correct, or the median.
        low, high: 95% interval of the change: in points for a share, in relative terms for a speed.
        change: b less a in points for a share; b over a, less 1, for a speed.
        p_value: McNemar for shares, Mann-Whitney for speeds; `adjusted` by Holm over all rows.
    """

    model: str
    condition: str
    metric: str
    a: float
    b: float
    change: float
    low: float | None
    high: float | None
    n: int
    p_value: float
    adjusted: float
    better_when_more: bool
    significant: bool

    @property
    def of_share(self) -> bool:
        """Whether the figure is a share correct, not a speed."""
        return self.metric.endswith(_SHARE)

    @property
    def worse(self) -> bool:
        """B is significantly worse."""
        return self.significant and (self.change < 0) == self.better_when_more


@dataclass(frozen=True, kw_only=True)
class Changes:
    """All changes, and what the reader must know of the two runs.

    Attributes:
        notes: What differs between the runs, and what was left out.
    """

    run_a: str
    run_b: str
    rows: tuple[Change, ...]
    notes: tuple[str, ...]

    @property
    def regressions(self) -> tuple[Change, ...]:
        return tuple(row for row in self.rows if row.worse)


def compare_runs(a: Run, b: Run, *, suite: str | None = None, models: tuple[str, str] | None = None) -> Changes:
    """Compare two runs: the models that both have, or one of A with one of B.

    Raises:
        RunError: They share no model, lack one that is named, or have nothing that was measured on both sides.
    """
    pairs = _model_pairs(a, b) if models is None else [_named(a, b, models)]
    suites, notes = _suites(a, b, suite)
    notes += _settings(a, b)
    found: list[Change] = []
    for mine, theirs in pairs:
        found += _quality(a, b, mine, theirs, suites)
        found += _speed(a, b, mine, theirs)
    if _cpu(a) != _cpu(b):
        notes.append(f"speeds were not compared: {_cpu(a)} and {_cpu(b)}")
    if not found:
        raise RunError(f"{a.id} and {b.id} have nothing to compare: {'; '.join(notes) or 'no condition in common'}")
    adjusted = holm([each.p_value for each in found])
    floor = max((noise for run in (a, b) if (noise := noise_floor(run)) is not None), default=None)
    if floor is None and not all(each.of_share for each in found):
        notes.append("no speed is called different: without ID@again in a run, its noise floor is not known")
    rows = tuple(_judged(each, p_value, floor) for each, p_value in zip(found, adjusted, strict=True))
    return Changes(run_a=a.id, run_b=b.id, rows=rows, notes=tuple(notes))


def report_lines(changes: Changes) -> list[str]:
    """The changes as text: notes, a Markdown table, and the regressions in words."""
    head = ["model", "condition", "figure", "A", "B", "change [95%]", "p (Holm)", "n"]
    lines = [f"A: {changes.run_a}", f"B: {changes.run_b}", *(f"note: {note}" for note in changes.notes), ""]
    lines += [markdown(head, (_cells(row) for row in changes.rows)), ""]
    if not changes.regressions:
        return [*lines, "no significant regression"]
    return [*lines, *(f"regression: {row.model}, {row.condition}, {row.metric}" for row in changes.regressions)]


def changes_json(changes: Changes) -> dict[str, Any]:
    return {
        "run_a": changes.run_a,
        "run_b": changes.run_b,
        "notes": list(changes.notes),
        "regressions": len(changes.regressions),
        "rows": [{**asdict(row), "worse": row.worse} for row in changes.rows],
    }


def _model_pairs(a: Run, b: Run) -> list[tuple[str, str]]:
    shared = [model for model in a.by_model if model in b.by_model]
    if shared:
        return [(model, model) for model in shared]
    if len(a.by_model) == len(b.by_model) == 1:
        return [(next(iter(a.by_model)), next(iter(b.by_model)))]
    names = [", ".join(run.by_model) or "no rows yet" for run in (a, b)]
    raise RunError(f"{a.id} ({names[0]}) and {b.id} ({names[1]}) share no model; compare runs of the same ones")


def _named(a: Run, b: Run, models: tuple[str, str]) -> tuple[str, str]:
    for run, model in zip((a, b), models, strict=True):
        if model not in run.by_model:
            raise RunError(f"{run.id} has no model {model!r}; it has: {', '.join(run.by_model) or 'no rows yet'}")
    return models


def _suites(a: Run, b: Run, wanted: str | None) -> tuple[list[str], list[str]]:
    """Suites of equal content in both runs, and notes on the others."""
    kept, notes = [], []
    sides = [run.manifest.get("suites", {}) for run in (a, b)]
    for name in dict.fromkeys([*sides[0], *sides[1]]):
        digests = [side.get(name, {}).get("sha256") for side in sides]
        if wanted not in (None, name):
            continue
        if None in digests:
            notes.append(f"suite {name} is in {b.id if digests[0] is None else a.id} only: left out")
        elif digests[0] != digests[1]:
            notes.append(f"suite {name} has other prompts in the two runs: left out")
        else:
            kept.append(name)
    return kept, notes


def _settings(a: Run, b: Run) -> list[str]:
    before, after = ({**run.manifest.get("config", {})} for run in (a, b))
    for side, run in ((before, a), (after, b)):
        side["llama.cpp variant"] = (run.manifest.get("llama_cpp") or {}).get("variant")
    keys = (*_SETTINGS, "llama.cpp variant")
    return [f"{key}: {before.get(key)} → {after.get(key)}" for key in keys if before.get(key) != after.get(key)]


def _quality(a: Run, b: Run, mine: str, theirs: str, suites: Sequence[str]) -> Iterable[Change]:
    for condition in _shared_conditions(a.by_model[mine], b.by_model[theirs]):
        for suite in suites:
            try:
                left, right = scores(a, mine, condition, suite=suite), scores(b, theirs, condition, suite=suite)
                pair = compare_scores(right, left, suite=suite)
            except RunError:  # not both have graded prompts of it
                continue
            yield Change(
                model=_name(mine, theirs),
                condition=condition,
                metric=f"{suite}, {_SHARE}",
                a=pair.share_b,
                b=pair.share_a,
                change=pair.difference,
                low=pair.low,
                high=pair.high,
                n=pair.n,
                p_value=pair.p_value,
                adjusted=pair.p_value,
                better_when_more=True,
                significant=pair.separable,
            )


def _speed(a: Run, b: Run, mine: str, theirs: str) -> Iterable[Change]:
    if _cpu(a) != _cpu(b):
        return
    rows_a, rows_b = a.by_model[mine], b.by_model[theirs]
    for condition in _shared_conditions(rows_a, rows_b):
        if condition not in SINGLE_SEQUENCE:
            continue
        for metric in METRICS:
            before, after = _samples(rows_a, rows_b, condition, metric)
            if min(len(before), len(after)) >= _FEWEST:
                yield _speed_change(_name(mine, theirs), condition, metric, before, after)


def _samples(
    rows_a: Sequence[Row], rows_b: Sequence[Row], condition: str, metric: Metric
) -> tuple[list[float], list[float]]:
    """The metric's samples on both sides, of the prompts that both have."""
    sides = []
    for rows in (rows_a, rows_b):
        kept = [row for row in rows if row.condition == condition and row.error is None]
        kept = [row for row in kept if (row.suite == FIXED_SHAPE if metric.fixed else row.is_answer)]
        values = {(row.suite, row.prompt_id, row.repetition): metric.of(row) for row in kept}
        sides.append({key: value for key, value in values.items() if value is not None})
    shared = [{prompt[:2] for prompt in side} for side in sides]
    common = shared[0] & shared[1]
    before, after = ([value for key, value in side.items() if key[:2] in common] for side in sides)
    return before, after


def _speed_change(model: str, condition: str, metric: Metric, before: list[float], after: list[float]) -> Change:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(len(before))
    middle = median_interval(before, rng=rng).estimate
    other = median_interval(after, rng=rng).estimate
    low, high = _relative_interval(before, after, rng)
    return Change(
        model=model,
        condition=condition,
        metric=metric.name,
        a=middle,
        b=other,
        change=other / middle - 1,
        low=low,
        high=high,
        n=min(len(before), len(after)),
        p_value=float(mannwhitneyu(before, after).pvalue),
        adjusted=1.0,
        better_when_more=metric.more,
        significant=False,
    )


def _relative_interval(
    before: Sequence[float], after: Sequence[float], rng: np.random.Generator
) -> tuple[float | None, float | None]:
    if min(*before, *after) <= 0:
        return None, None
    interval = ratio_of_medians(after, before, rng=rng)
    return interval.low - 1, interval.high - 1


def _judged(change: Change, adjusted: float, floor: float | None) -> Change:
    """With the adjusted p; a speed must also differ by more than a model does from itself, which must be known."""
    off = change.low is not None and change.high is not None and not change.low <= 0 <= change.high
    beyond = change.of_share or (floor is not None and abs(change.change) > floor)
    return replace(change, adjusted=adjusted, significant=adjusted < ALPHA and off and beyond)


def _cells(row: Change) -> list[str]:
    form, unit = (".1%", " points") if row.of_share else (".4g", "%")
    ends = f" [{100 * row.low:+.1f}, {100 * row.high:+.1f}]" if row.low is not None and row.high is not None else ""
    change = f"{100 * row.change:+.1f}{unit}{ends}" if row.significant else f"~ ({100 * row.change:+.1f}{unit}{ends})"
    return [
        row.model,
        row.condition,
        row.metric,
        f"{row.a:{form}}",
        f"{row.b:{form}}",
        change,
        f"{row.adjusted:.2g}",
        str(row.n),
    ]


def _shared_conditions(a: Sequence[Row], b: Sequence[Row]) -> list[str]:
    there = {row.condition for row in b}
    return [condition for condition in dict.fromkeys(row.condition for row in a) if condition in there]


def _name(mine: str, theirs: str) -> str:
    return mine if mine == theirs else f"{mine} → {theirs}"


def _cpu(run: Run) -> str:
    return str(run.manifest.get("machine", {}).get("cpu", "a CPU that was not recorded"))
