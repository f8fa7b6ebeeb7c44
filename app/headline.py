"""The verdict on the pair that a first visitor sees, worked out while the app starts. No Streamlit in this module."""

import threading
from collections.abc import Callable

from app.runs_on_disk import load_runs
from app.state import results_directories


class Headline:
    """One sentence with its evidence, once it is there; None where no run has graded both models.

    Args:
        pair: Model ids: the second is judged against the first.
    """

    def __init__(self, pair: tuple[str, str], done: Callable[[], None] = lambda: None) -> None:
        self.sentence: str | None = None
        self._pair, self._done = pair, done

    def start(self) -> None:
        threading.Thread(target=self.work, name="headline", daemon=True).start()

    def work(self) -> None:
        """Read the runs and judge; a pair that no run has measured has no headline."""
        from benchmarks.runs import RunError
        from benchmarks.verdict import verdict

        base, model = self._pair
        try:
            self.sentence = verdict(load_runs(results_directories()).runs, model, base).sentence
        except RunError:
            self.sentence = None
        self._done()
