"""The verdict on the pair that a first visitor sees, worked out while the app starts."""

import contextlib
import threading

from benchmarks.analysis.verdict import verdict
from benchmarks.runs.on_disk import load_runs
from benchmarks.runs.read import RunError
from data.paths import results_directories


class Headline:
    """One sentence with its evidence, once it is there; None where no run has graded both models.

    Args:
        pair: Model ids: the second is judged against the first.
    """

    def __init__(self, pair: tuple[str, str]) -> None:
        self.sentence: str | None = None
        self.finished = threading.Event()
        self._pair = pair

    def start(self) -> None:
        threading.Thread(target=self.work, name="headline", daemon=True).start()

    def work(self) -> None:
        """Read the runs and judge; a pair that no run has measured has no headline."""
        base, model = self._pair
        with contextlib.suppress(RunError):
            self.sentence = verdict(load_runs(results_directories()).runs, model, base).sentence
        self.finished.set()
