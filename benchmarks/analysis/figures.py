"""A model's figures gathered over runs: speed from one, quality from another, joined by the file's sha256.

Quality is quick to measure in batches, speed only alone; so the two often come from different runs. All speeds come
from one machine. Every record says which run gave what, and whether quality was measured elsewhere. Conditions are
never mixed within a figure.
"""

import statistics
import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.analysis.summary import SINGLE_SEQUENCE, Summary, decode_rate, summarise
from benchmarks.runs.on_disk import newest_first
from benchmarks.runs.read import AGAIN, AS_SERVED, FIXED_SHAPE, Row, Run
from benchmarks.statistics.clusters import cluster_of, clustered_ratio
from benchmarks.statistics.stats import Interval

SPEED_CONDITION = "timed-cold"
_ENOUGH_SAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class ModelFigures:
    """One file's figures; None where they were not measured.

    Attributes:
        size, rank: As the registry says; rank is None for an untuned model.
        speed, quality: Where speeds and grades come from.
        answer_s: Mean seconds per answer. Measured where the answers were made alone; else the answers' token counts
            over the rates measured in `speed`, never batched wall time.
        s_per_correct_answer: Seconds of all graded answers over the number of correct ones.
        machine: Where its speed must come from; None takes whatever its run has.
        elsewhere: Quality was measured on another machine than speed, or with another build of llama.cpp.
        load_s: Seconds to load the file.
    """

    model: str
    sha256: str
    label: str
    quantization: str | None
    size: str | None
    rank: int | None
    file_size_bytes: int | None
    peak_rss_bytes: int | None
    load_s: float | None
    speed: Summary | None
    quality: Summary | None
    answer_s: Interval | None
    s_per_correct_answer: Interval | None
    elsewhere: bool
    machine: str | None = None

    @property
    def decode_tok_per_s(self) -> Interval | None:
        """Over the prompts' answers; over the fixed shape where there are none."""
        if self.speed is None:
            return None
        return self.speed.decode_tok_per_s or self.speed.fixed_decode_tok_per_s

    @property
    def characters_per_s(self) -> Interval | None:
        return self.speed.characters_per_s if self.speed else None

    @property
    def ttft_s(self) -> Interval | None:
        return self.speed.ttft_s if self.speed else None

    @property
    def accuracy(self) -> Interval | None:
        return self.quality.accuracy if self.quality else None

    @property
    def note(self) -> str:
        """Where the figures come from, in words."""
        if self.speed and self.quality and self.speed.run is self.quality.run:
            same = self.speed.condition == self.quality.condition
            return f"from {self.speed.source}" if same else f"speed {self.speed.source}, quality {self.quality.source}"
        parts = [
            f"{name} {source.source}" for name, source in (("speed", self.speed), ("quality", self.quality)) if source
        ]
        return ", ".join(parts) + (", on another machine or build" if self.elsewhere else "")


def machines(runs: Iterable[Run]) -> list[str]:
    """Machines that speeds were measured on, the latest run's first."""
    return list(_timed_files(runs))


def machine_of(runs: Iterable[Run], files: Collection[str] = ()) -> str | None:
    """The machine that timed all of these files (sha256), and of several the one that timed most; None where none has.

    Of machines that timed as many, the latest run's.
    """
    able = {machine: timed for machine, timed in _timed_files(runs).items() if timed.issuperset(files)}
    return max(able, key=lambda machine: len(able[machine]), default=None)


def machine_for(runs: Sequence[Run], models: Collection[str], *, first: str | None = None) -> str | None:
    """The machine that timed the files of all these models, `first` before others; or the one that timed most files."""
    files = {
        run.by_model[model][0].model_sha256 for run in newest_first(runs) for model in models if model in run.by_model
    }
    of_first = [run for run in runs if run.machine == first]
    return machine_of(of_first, files) or machine_of(runs, files) or machine_of(runs)


def _timed_files(runs: Iterable[Run]) -> dict[str, set[str]]:
    """The sha256 of the files that each machine timed, the latest run's machine first."""
    found: dict[str, set[str]] = {}
    for run in newest_first(runs):
        timed = {row.model_sha256 for row in run.rows if row.condition == SPEED_CONDITION and row.error is None}
        if timed:
            found.setdefault(run.machine, set()).update(timed)
    return found


def gather(runs: Sequence[Run], *, machine: str | None = None) -> list[ModelFigures]:
    """One record per file, in the order in which the runs name them; second arms (`ID@again`) are left out.

    Args:
        machine: Where speeds must come from, one of `machines`; None takes the one that timed most files.
    """
    ordered = newest_first(runs)
    where = machine or machine_of(ordered)
    found: dict[str, list[Summary]] = {}
    for run in ordered:
        for summary in summarise(run):
            if not summary.model.endswith(AGAIN):
                found.setdefault(_sha256(run, summary.model), []).append(summary)
    return [_figures(sources, where) for sources in found.values()]


def per_condition(run: Run) -> list[ModelFigures]:
    """One record per model and condition of one run; second arms are there too. A server's speeds are left out: they
    meet this machine's in no chart."""
    return [
        _from_sources(summary.model, None if summary.condition == AS_SERVED else summary, summary, [summary])
        for summary in summarise(run)
    ]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Median tokens/s of one file, each alone on the machine."""

    prefill_tok_per_s: float
    decode_tok_per_s: float


def rates_of(rows: Iterable[Row]) -> Rates | None:
    """Of timed rows: over the prompts' answers, else over the fixed shape; None where neither is there."""
    good = [row for row in rows if row.error is None and row.condition in SINGLE_SEQUENCE]
    for fixed in (False, True):
        mine = [row for row in good if (row.suite == FIXED_SHAPE if fixed else row.is_answer)]
        prefill = [rate for row in mine if (rate := row.prefill_tok_per_s)]
        decode = [rate for row in mine if (rate := decode_rate(row))]
        if prefill and decode:
            return Rates(prefill_tok_per_s=statistics.median(prefill), decode_tok_per_s=statistics.median(decode))
    return None


def seconds_per_correct(rows: Sequence[Row], speed: Rates | None) -> tuple[Interval | None, Interval | None]:
    """Mean seconds per answer and seconds per correct answer of graded rows, with clustered intervals.

    Args:
        rows: Of one model and condition.
        speed: Rates to work with where the rows are of shared steps, or None.
    """
    graded = [(row, answer_seconds(row, speed)) for row in rows if row.grade is not None and row.error is None]
    known = [(row, seconds) for row, seconds in graded if seconds is not None]
    clusters = [cluster_of(row) for row, _ in known]
    if len(set(clusters)) < 2:
        return None, None
    seconds = np.array([each for _, each in known])
    correct = np.array([1.0 if (row.grade or 0) >= 1 else 0.0 for row, _ in known])
    rng = np.random.default_rng(zlib.crc32(f"{len(known)} {seconds.sum():.3f}".encode()))
    answer = clustered_ratio(seconds, np.ones_like(seconds), clusters, rng=rng, draws=2_000)
    if not correct.any():
        return answer, None
    return answer, clustered_ratio(seconds, correct, clusters, rng=rng, draws=2_000)


def answer_seconds(row: Row, speed: Rates | None) -> float | None:
    """Seconds that this answer takes alone: measured, or its token counts over measured rates."""
    if row.condition in SINGLE_SEQUENCE:
        return row.total_s
    if speed is None or row.prompt_tokens is None or row.decode_tokens is None:
        return None
    return row.prompt_tokens / speed.prefill_tok_per_s + row.decode_tokens / speed.decode_tok_per_s


def _figures(sources: list[Summary], machine: str | None) -> ModelFigures:
    timed = [source for source in sources if source.condition == SPEED_CONDITION and source.run.machine == machine]
    speed = _latest_speed(timed)
    graded = [source for source in sources if source.graded]
    quality = max(graded, key=lambda source: source.graded, default=None)
    return replace(_from_sources((speed or quality or sources[0]).model, speed, quality, sources), machine=machine)


def _latest_speed(timed: Sequence[Summary]) -> Summary | None:
    """Of the newest run that has enough samples: an older one may be of an older build; else of the one with most."""
    good = {id(source): source.samples - source.errors for source in timed}
    enough = next((source for source in timed if good[id(source)] >= _ENOUGH_SAMPLES), None)
    return enough or max(timed, key=lambda source: good[id(source)], default=None)


def _from_sources(
    model: str, speed: Summary | None, quality: Summary | None, sources: Sequence[Summary]
) -> ModelFigures:
    facts = {key: value for source in reversed(sources) for key, value in _facts(source).items() if value is not None}
    rates = rates_of(speed.rows) if speed else None
    answer, per_correct = seconds_per_correct(quality.rows if quality else (), rates)
    return ModelFigures(
        model=model,
        sha256=_sha256(sources[0].run, sources[0].model),
        label=str(facts.get("label") or model),
        quantization=facts.get("quantization"),
        size=facts.get("size"),
        rank=facts.get("rank"),
        file_size_bytes=facts.get("file_size_bytes"),
        peak_rss_bytes=speed.peak_rss_bytes if speed else None,
        load_s=((_facts(speed).get("info") or {}).get("load_s")) if speed else None,
        speed=speed,
        quality=quality,
        answer_s=answer,
        s_per_correct_answer=per_correct,
        elsewhere=bool(speed and quality and speed.run.machine != quality.run.machine),
    )


def _facts(source: Summary) -> dict[str, Any]:
    return dict(source.run.models.get(source.model, {}))


def _sha256(run: Run, model: str) -> str:
    """A row's own digest; the manifest may be of a later session."""
    return run.by_model[model][0].model_sha256
