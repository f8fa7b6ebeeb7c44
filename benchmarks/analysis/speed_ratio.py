"""Decode rate of one file over another's, from samples that lay next to each other where a run has them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.analysis.figures import SPEED_CONDITION
from benchmarks.analysis.summary import decode_rate
from benchmarks.runs.on_disk import newest_first
from benchmarks.runs.read import AGAIN, DEPTH, FIXED_SHAPE, Row, Run
from benchmarks.statistics.stats import Interval, median_interval, ratio_of_medians

_FEWEST_PAIRS = 8


@dataclass(frozen=True, kw_only=True)
class SpeedRatio:
    """Decode rate of one file over that of another.

    Attributes:
        ratio: Median of the ratios of neighbours where one run timed both on the same prompts; else of medians.
        paired: Whether the samples were neighbours in one run.
        floor: Largest deviation from 1 that a model shows against itself in that run; None without an A/A arm.
        runs: Ids of the run, or of both.
        machine: What it was measured on.
    """

    ratio: Interval
    paired: bool
    floor: float | None
    runs: tuple[str, ...]
    machine: str

    @property
    def separable(self) -> bool:
        """Whether the interval leaves out 1, and the ratio lies further from it than the noise floor."""
        off = not self.ratio.low <= 1 <= self.ratio.high
        return off and abs(self.ratio.estimate - 1) > (self.floor or 0.0)

    @property
    def inverted(self) -> "SpeedRatio":
        """The same, the other way round."""
        ratio = self.ratio
        turned = Interval(estimate=1 / ratio.estimate, low=1 / ratio.high, high=1 / ratio.low, n=ratio.n)
        return replace(self, ratio=turned)


def speed_ratio(runs: Sequence[Run], sha256_a: str, sha256_b: str) -> SpeedRatio | None:
    """Decode rate of one file over another's; None where no machine has timed both.

    A run that timed both on the same prompts comes first, for its samples were neighbours: of the newest machine's, one
    that has a noise floor, then the one with most neighbours, then the newest. Else two runs of one machine.
    """
    ordered = newest_first(runs)
    if found := [(run, ratios) for run in ordered if (ratios := _neighbour_ratios(run, sha256_a, sha256_b))]:
        here = [each for each in found if each[0].machine == found[0][0].machine]
        floors = {run.id: noise_floor(run) for run, _ in here}
        run, ratios = max(here, key=lambda each: (floors[each[0].id] is not None, len(each[1])))
        interval = median_interval(ratios, rng=np.random.default_rng(len(ratios)))
        return _ratio(interval, paired=True, floor=floors[run.id], runs=[run])
    sides = [
        [(run, rates) for run in ordered if len(rates := _rates(run, digest)) > 1] for digest in (sha256_a, sha256_b)
    ]
    for left, above in sides[0]:
        for right, below in sides[1]:
            if left.machine == right.machine:
                interval = ratio_of_medians(above, below, rng=np.random.default_rng(len(above)))
                return _ratio(interval, paired=False, floor=None, runs=[left, right])
    return None


@dataclass(frozen=True, kw_only=True)
class SelfRatio:
    """A file's decode rate in its second arm over that in its first: 1, but for noise."""

    model: str
    ratio: Interval


def self_ratios(run: Run) -> list[SelfRatio]:
    """One for each A/A arm of a run."""
    found = []
    for model in (again.removesuffix(AGAIN) for again in run.by_model if again.endswith(AGAIN)):
        ratios = _paired_rates(run, model + AGAIN, model) if model in run.by_model else []
        if len(ratios) > 1:
            interval = median_interval(ratios, rng=np.random.default_rng(len(ratios)))
            found.append(SelfRatio(model=model, ratio=interval))
    return found


def noise_floor(run: Run) -> float | None:
    """Largest deviation from 1, intervals included, of a file's rate against its own; None without an A/A arm."""
    ratios = [each.ratio for each in self_ratios(run)]
    return max((max(abs(ratio.low - 1), abs(ratio.high - 1)) for ratio in ratios), default=None)


def _neighbour_ratios(run: Run, sha256_a: str, sha256_b: str) -> list[float] | None:
    names = [_name_in(run, digest) for digest in (sha256_a, sha256_b)]
    if None in names:
        return None
    ratios = _paired_rates(run, str(names[0]), str(names[1]))
    return ratios if len(ratios) > 1 else None


def _paired_rates(run: Run, a: str, b: str) -> list[float]:
    """Ratios of the decode rates of samples of one prompt; of the fixed shape where there are too few answers."""
    sides = [
        {
            (row.suite, row.prompt_id, row.repetition): rate
            for row in run.by_model[model]
            if row.condition == SPEED_CONDITION and row.suite != DEPTH and (rate := _rate(row)) is not None
        }
        for model in (a, b)
    ]
    ratios = {key: sides[0][key] / sides[1][key] for key in sides[0] if key in sides[1]}
    answers = [ratio for key, ratio in ratios.items() if key[0] != FIXED_SHAPE]
    fixed = [ratio for key, ratio in ratios.items() if key[0] == FIXED_SHAPE]
    return answers if len(answers) >= _FEWEST_PAIRS or not fixed else fixed


def _rates(run: Run, sha256: str) -> list[float]:
    name = _name_in(run, sha256)
    rows = [row for row in run.by_model.get(name or "", ()) if row.condition == SPEED_CONDITION]
    answers = [rate for row in rows if row.is_answer and (rate := _rate(row)) is not None]
    fixed = [rate for row in rows if row.suite == FIXED_SHAPE and (rate := _rate(row)) is not None]
    return answers if len(answers) >= _FEWEST_PAIRS or not fixed else fixed


def _rate(row: Row) -> float | None:
    return decode_rate(row) if row.error is None else None


def _name_in(run: Run, sha256: str) -> str | None:
    rows = run.by_model.items()
    return next((model for model, mine in rows if mine[0].model_sha256 == sha256 and not model.endswith(AGAIN)), None)


def _ratio(interval: Interval, *, paired: bool, floor: float | None, runs: Sequence[Run]) -> SpeedRatio:
    names = tuple(dict.fromkeys(run.id for run in runs))
    return SpeedRatio(ratio=interval, paired=paired, floor=floor, runs=names, machine=runs[0].machine)
