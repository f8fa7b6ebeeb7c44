"""From an untouched base to the file that is shipped: which step changed quality, size and speed, and by how much.

The steps come from the registry: layers removed, a LoRA adapter merged, another quantization. A step is measured where
the file before it and the file after it both were.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.analysis.figures import gather
from benchmarks.analysis.speed_ratio import SpeedRatio, speed_ratio
from benchmarks.runs.on_disk import newest_first
from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.pairs import PairComparison, compare_pair
from data.models.entries import AdaptedSource, DerivedSource, ModelEntry, Registry
from data.models.registry import get


@dataclass(frozen=True, kw_only=True)
class Link:
    """One model of a chain, and what was done to the one before to get it: "base" for the first."""

    model: str
    label: str
    step: str


@dataclass(frozen=True, kw_only=True)
class WaterfallStep:
    """One link with what it changed; None where it was not measured.

    Attributes:
        share_correct: Of this model, over the prompts that it shares with the one before.
        change: Share correct of this model less that of the one before; None for the base.
        file_size_bytes, size_change_bytes: Of this file, and against the one before.
        speed: Decode rate of this model over that of the one before.
    """

    link: Link
    share_correct: float | None
    change: PairComparison | None
    file_size_bytes: int | None
    size_change_bytes: int | None
    speed: SpeedRatio | None


def chain(model: str, registry: Registry, *, measured: Sequence[str] | None = None) -> list[Link]:
    """From the base to `model`, as the registry derives it.

    An entry that merges an adapter and quantizes in one go is two steps where the registry also has the same fine-tune
    in a finer quantization.

    Args:
        measured: Ids to keep; a step between two of them is then named after all that lies between. None keeps all.

    Raises:
        RegistryError: An id is not in the registry.
    """
    entries = _ancestry(get(registry, model), registry)
    kept = [entry for entry in entries if measured is None or entry.id in measured]
    return [
        Link(model=entry.id, label=entry.label, step=_what_changed(kept[place - 1], entry) if place else "base")
        for place, entry in enumerate(kept)
    ]


def waterfall(runs: Sequence[Run], model: str, registry: Registry, *, suite: str | None = None) -> list[WaterfallStep]:
    """What each step on the way to `model` changed.

    Args:
        suite: None pools all.

    Raises:
        RunError: Fewer than two models of the chain have been measured.
        RegistryError: The id is not in the registry.
    """
    ordered = newest_first(runs)
    there = list(dict.fromkeys(name for run in ordered for name in run.by_model))
    links = chain(model, registry, measured=there)
    if len(links) < 2:
        chained = ", ".join(link.model for link in chain(model, registry))
        raise RunError(f"no two of {chained} have been measured; add them to a benchmark's models")
    sizes = {figures.model: figures.file_size_bytes for figures in gather(ordered)}
    changes = [_change(ordered, before.model, after.model, suite) for before, after in pairwise(links)]
    return [_step(links, place, changes, sizes, ordered) for place in range(len(links))]


def _step(
    links: Sequence[Link],
    place: int,
    changes: Sequence[PairComparison | None],
    sizes: Mapping[str, int | None],
    runs: Sequence[Run],
) -> WaterfallStep:
    link, before = links[place], links[place - 1] if place else None
    change = changes[place - 1] if place else None
    first = changes[0] if changes else None
    share = change.share_a if change else first.share_b if first and not place else None
    size, earlier = sizes.get(link.model), sizes.get(before.model) if before else None
    return WaterfallStep(
        link=link,
        share_correct=share,
        change=change,
        file_size_bytes=size,
        size_change_bytes=size - earlier if size is not None and earlier is not None else None,
        speed=_speed(runs, link.model, before.model) if before else None,
    )


def _change(runs: Sequence[Run], before: str, after: str, suite: str | None) -> PairComparison | None:
    found = []
    for run in runs:
        try:
            found.append(compare_pair(run, after, before, suite=suite))
        except RunError:
            continue
    return max(found, key=lambda each: each.n, default=None)


def _speed(runs: Sequence[Run], after: str, before: str) -> SpeedRatio | None:
    digests = [
        next((run.by_model[model][0].model_sha256 for run in runs if model in run.by_model), "")
        for model in (after, before)
    ]
    return speed_ratio(runs, *digests)


def _ancestry(entry: ModelEntry, registry: Registry) -> list[ModelEntry]:
    """From the base on; with the same fine-tune in a finer quantization before a coarser one."""
    source = entry.source
    if not isinstance(source, DerivedSource):
        return [entry]
    finer = _finer(entry, registry)
    return [*_ancestry(finer or get(registry, source.base), registry), entry]


def _finer(entry: ModelEntry, registry: Registry) -> ModelEntry | None:
    """The registry's finest quantization of the same derived weights, where that is not this entry itself."""
    source = entry.source
    if not isinstance(source, DerivedSource) or source.adapter is None or isinstance(source, AdaptedSource):
        return None  # an adapter that is applied to its base was never quantized
    siblings = [
        other
        for other in registry.values()
        if isinstance(other.source, DerivedSource)
        and not isinstance(other.source, AdaptedSource)
        and (other.source.base, other.source.adapter, other.source.drop_layers)
        == (source.base, source.adapter, source.drop_layers)
    ]
    finest = max(siblings, key=lambda other: _bits(other.quantization))
    return finest if _bits(finest.quantization) > _bits(entry.quantization) else None


def _bits(quantization: str) -> float:
    """Nominal bits per weight: "q4_k_m" is 4; what has none in its name is not quantized."""
    digits = "".join(letter for letter in quantization.partition("_")[0] if letter.isdigit())
    return float(digits) if digits else 32.0


def _what_changed(before: ModelEntry, after: ModelEntry) -> str:
    """Every change between two entries of one chain, in words."""
    parts = []
    if before.size != after.size:
        parts.append("layers removed")
    if before.rank != after.rank:
        parts.append(f"LoRA r={after.rank}")
    if before.quantization != after.quantization:
        parts.append(f"{before.quantization} → {after.quantization}")
    return ", ".join(parts) or "no change"
