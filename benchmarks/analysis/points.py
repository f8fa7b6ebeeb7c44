"""What the scatter charts draw: one row per point, as a data frame, and the axes that it can be drawn along."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.analysis.figures import ModelFigures, gather, per_condition
from benchmarks.analysis.summary import Summary, bounds_text, character_rate, decode_rate
from benchmarks.runs.read import Row, Run
from benchmarks.statistics.frontier import frontier_chances
from benchmarks.statistics.pairs import scores
from benchmarks.statistics.stats import FloatArray, Interval

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Axis:
    """What can be drawn against quality.

    Attributes:
        more: A higher value is better.
        form: d3 format of a value in `unit`s.
        unit: Drawn values are divided by this: 1e6 draws bytes as MB.
        of: The figure of a model.
        sample: The same of one timed row, for resampling; None where there is none.
        fixed: It does not vary from sample to sample, so a chance to be on the frontier needs none.
    """

    title: str
    more: bool
    form: str
    of: Callable[[ModelFigures], Interval | float | None]
    unit: float = 1.0
    sample: Callable[[Row], float | None] | None = None
    fixed: bool = False


AXES: Mapping[str, Axis] = MappingProxyType(
    {
        "decode_tok_per_s": Axis(
            title="Decode speed (tokens/s)",
            more=True,
            form=".1f",
            of=lambda it: it.decode_tok_per_s,
            sample=decode_rate,
        ),
        "characters_per_s": Axis(
            title="Decode speed (characters/s)",
            more=True,
            form=".0f",
            of=lambda it: it.characters_per_s,
            sample=character_rate,
        ),
        "ttft_s": Axis(
            title="Time to first token (s)", more=False, form=".2f", of=lambda it: it.ttft_s, sample=lambda r: r.ttft_s
        ),
        "answer_s": Axis(title="Seconds per answer", more=False, form=".2f", of=lambda it: it.answer_s),
        "s_per_correct_answer": Axis(
            title="Seconds per correct answer", more=False, form=".2f", of=lambda it: it.s_per_correct_answer
        ),
        "peak_rss_bytes": Axis(
            title="Peak memory (MB)", more=False, form=".0f", unit=1e6, of=lambda it: it.peak_rss_bytes, fixed=True
        ),
        "file_size_bytes": Axis(
            title="File size (MB)", more=False, form=".0f", unit=1e6, of=lambda it: it.file_size_bytes, fixed=True
        ),
    }
)

_NAMES = ("run_id", "model", "label", "quantization", "condition", "note")
_MEASURED = (
    *(name + end for name in (*AXES, "accuracy") for end in ("", "_low", "_high")),
    *("prefill_tok_per_s", "load_s", "p_on_frontier", "usd_per_correct_answer"),
)
_TOLD = ("alike", "bounds")
_COUNTED = ("correct", "n", "truncated", "looped", "ungradable", "errors", "noisy", "samples")
COLUMNS = (*_NAMES, *_MEASURED, *_COUNTED, *_TOLD)


def model_points(runs: Iterable[Run]) -> "pd.DataFrame":
    """One row per run, model and condition, with the columns `COLUMNS`; NaN where something was not measured.

    Conditions are never mixed: a point's figures all come from one.
    """
    return _frame([_point(figures) for run in runs for figures in per_condition(run)])


def joined_points(
    runs: Sequence[Run], *, machine: str | None = None, axis: str = "decode_tok_per_s", among: Collection[str] = ()
) -> "pd.DataFrame":
    """One row per file, speed and quality joined over the runs by its sha256; `note` says what comes from where.

    `alike` marks the largest group of models that were asked the same prompts: shares of other prompts do not compare,
    and only these have a chance to be on the frontier.

    Args:
        machine: See `benchmarks.analysis.figures.gather`.
        axis: Along which `p_on_frontier` is worked out, against quality.
        among: See `asked_alike`.
    """
    return placed_points(gather(runs, machine=machine), axis=axis, among=among)


def placed_points(
    figures: Sequence[ModelFigures], *, axis: str = "decode_tok_per_s", among: Collection[str] = ()
) -> "pd.DataFrame":
    """`joined_points` of what was gathered already, which is what takes long: for one axis after another."""
    group = asked_alike(figures, among=among)
    points = [_point(each) | {"alike": each in group} for each in figures]
    chances = _chances(group, AXES[axis])
    for point in points:
        point["p_on_frontier"] = chances.get(str(point["model"]))
    return _frame(points)


def _chances(figures: Sequence[ModelFigures], axis: Axis) -> dict[str, float]:
    """Of each model that has quality and this cost to be on the frontier; empty where that cannot be told."""
    placed = [(each, value) for each in figures if each.quality and (value := axis.of(each)) is not None]
    if not (axis.fixed or axis.sample):  # the cost's own uncertainty would be left out
        return {}
    costs = [_cost_samples(each, value, axis) for each, value in placed]
    answered = [
        scores(each.quality.run, each.quality.model, each.quality.condition) for each, _ in placed if each.quality
    ]
    try:
        chances = frontier_chances(costs, answered, more=axis.more, rng=np.random.default_rng(len(placed)))
    except ValueError:  # no two models have answered the same prompts
        return {}
    return dict(zip((each.model for each, _ in placed), chances, strict=True))


def _cost_samples(figures: ModelFigures, value: Interval | float, axis: Axis) -> FloatArray:
    """Values of single samples, for resampling; the figure itself where it does not vary."""
    rows = [row for row in figures.speed.rows if row.error is None] if figures.speed and axis.sample else []
    rows = [row for row in rows if row.is_answer] or rows
    values = [sample for row in rows if axis.sample and (sample := axis.sample(row)) is not None]
    return np.asarray(values or [value.estimate if isinstance(value, Interval) else value], dtype=np.float64)


def asked_alike(figures: Sequence[ModelFigures], *, among: Collection[str] = ()) -> list[ModelFigures]:
    """Most timed models whose grades are of the same prompts; of two such groups the larger, then that of more prompts.

    Args:
        among: Ids; a group with more of them comes before any other.
    """
    groups: dict[frozenset[tuple[str, str]], list[ModelFigures]] = {}
    for each in figures:
        if each.quality is not None:
            groups.setdefault(_prompts(each.quality), []).append(each)

    def order(group: tuple[frozenset[tuple[str, str]], list[ModelFigures]]) -> tuple[int, int, int, int]:
        prompts, models = group
        timed = sum(each.speed is not None for each in models)
        return sum(each.model in among for each in models), timed, len(models), len(prompts)

    return max(groups.items(), key=order, default=(frozenset(), []))[1]


def _prompts(quality: Summary) -> frozenset[tuple[str, str]]:
    return frozenset((row.suite, row.prompt_id) for row in quality.rows if row.is_answer)


def _frame(points: list[dict[str, object]]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(points, columns=list(COLUMNS)).astype({**dict.fromkeys(_MEASURED, "float64"), "alike": bool})


def _point(figures: ModelFigures) -> dict[str, object]:
    speed, quality = figures.speed, figures.quality
    summary = quality or speed
    point: dict[str, object] = {
        "run_id": summary.run.id if summary else None,
        "model": figures.model,
        "label": figures.label,
        "quantization": figures.quantization,
        "condition": (speed or quality).condition if speed or quality else None,  # type: ignore[union-attr]
        "note": figures.note,
        "alike": True,
        "bounds": bounds_text(summary.bounds, summary.truncated) if summary else "–",
        "prefill_tok_per_s": _estimate(speed.prefill_tok_per_s) if speed else None,
        "load_s": figures.load_s,
        "usd_per_correct_answer": quality.usd_per_correct if quality else None,
        "correct": summary.correct if summary else 0,
        "n": summary.graded if summary else 0,
    }
    for name in ("truncated", "looped", "ungradable", "errors", "samples"):
        point[name] = getattr(summary, name) if summary else 0
    timed = speed or summary
    point["noisy"] = timed.noisy if timed else 0
    for name, value in (*((name, axis.of(figures)) for name, axis in AXES.items()), ("accuracy", figures.accuracy)):
        point |= _with_ends(name, value)
    return point


def _with_ends(name: str, value: Interval | float | None) -> dict[str, object]:
    if not isinstance(value, Interval):
        return {name: value}
    ends = {name: value.estimate, f"{name}_low": value.low, f"{name}_high": value.high}
    return {key: end if np.isfinite(end) else None for key, end in ends.items()}


def _estimate(interval: Interval | None) -> float | None:
    return interval.estimate if interval else None
