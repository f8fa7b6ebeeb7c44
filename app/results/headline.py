"""What a first visitor is told of the models: the verdict on a pair, and speed and quality of all that were measured.

Worked out in the background while the app starts, and again when runs have come or models have new names.
"""

import contextlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.analysis.figures import gather, machine_for
from benchmarks.analysis.filters import on_the_prompts_of
from benchmarks.analysis.names import renamed
from benchmarks.analysis.points import asked_alike
from benchmarks.analysis.verdict import verdict
from benchmarks.charts.picture import Spot, spots_of
from benchmarks.config import Config
from benchmarks.measure.estimate import this_machine
from benchmarks.runs.on_disk import fingerprint, load_runs
from benchmarks.runs.read import MANIFEST_NAME, RunError
from data.models.entries import ModelEntry, Registry
from data.paths import results_directories


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the runs say of all models that were asked the pair's prompts.

    Attributes:
        sentence: The verdict on the pair with its evidence; None where no run has graded both.
        by_file: Speed and quality, by the file's sha256.
        rates: Tokens a second of every model that was timed, by the same and by its id.
        prompts: So many were asked.
        machine: Where the speeds come from.
    """

    sentence: str | None = None
    by_file: Mapping[str, Spot]
    rates: Mapping[str, float] = field(default_factory=dict)
    prompts: int = 0
    machine: str | None = None

    @property
    def spots(self) -> tuple[Spot, ...]:
        return tuple(self.by_file.values())

    def of(self, entry: ModelEntry) -> Spot | None:
        """A model's, by its file, or by its id where the entry does not say which file it is."""
        if entry.sha256:
            return self.by_file.get(entry.sha256)
        return next((spot for spot in self.spots if spot.model == entry.id), None)

    def figures(self, entry: ModelEntry) -> str | None:
        """Such as "104 tok/s, 26% right"; of a model that was asked other prompts the rate alone."""
        if spot := self.of(entry):
            return f"{spot.speed.estimate:.0f} tok/s, {spot.share.estimate:.0%} right"
        rate = self.rates.get(entry.sha256 or entry.id)
        return f"{rate:.0f} tok/s" if rate else None


class Headline:
    """What was measured, once it is there.

    Args:
        pair: Model ids: the second is judged against the first.
        registry: Whose labels the models have.
    """

    def __init__(self, pair: tuple[str, str], registry: Registry) -> None:
        self.measured = Measured(by_file={})
        self.finished = threading.Event()
        self._pair, self._registry = pair, registry
        self._lock, self._started = threading.Lock(), threading.Event()
        self._started.set()
        self._of: tuple[Any, ...] = ()

    def start(self) -> None:
        threading.Thread(target=self.work, name="headline", daemon=True).start()

    def look(self) -> Measured:
        """What is known now; where runs or names have changed since, it is worked out anew meanwhile."""
        if not self.working and self._of != self._state():
            self._started.set()
            self.start()
        return self.measured

    @property
    def working(self) -> bool:
        """Whether more will be known in a moment."""
        return self._started.is_set()

    def work(self) -> None:
        """Read the runs and judge; a pair that no run has measured has no sentence."""
        with self._lock, contextlib.ExitStack() as at_last:
            at_last.callback(self._started.clear)
            at_last.callback(self.finished.set)
            self._of = self._state()
            runs = renamed(load_runs(results_directories()).runs, dict(self._registry))
            sentence, (base, model) = None, self._pair
            with contextlib.suppress(RunError):
                sentence = verdict(runs, model, base).sentence
            here = this_machine(Config(name="here", models=("a",), suites=("a",)), ())
            machine = machine_for(runs, self._pair, first=here)
            everybody = gather(runs, machine=machine)
            group = asked_alike(gather(on_the_prompts_of(runs, base, model), machine=machine), among=self._pair)
            self.measured = Measured(
                sentence=sentence,
                by_file={each.sha256: spot for each in group for spot in spots_of([each])},
                rates={
                    key: rate.estimate
                    for each in everybody
                    if (rate := each.decode_tok_per_s)
                    for key in (each.sha256, each.model)
                },
                prompts=max((each.quality.graded for each in group if each.quality), default=0),
                machine=next((each.machine for each in group), None),
            )

    def _state(self) -> tuple[Any, ...]:
        labels = tuple((entry.id, entry.label, entry.sha256) for entry in list(self._registry.values()))
        manifests = [each for each in fingerprint(results_directories()) if each[0].endswith(MANIFEST_NAME)]
        return (*manifests, labels)  # not every sample of a run that goes on, whose timing this work would disturb
