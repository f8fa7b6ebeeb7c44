"""The two models that a first visitor sees: the embedded ones at once, real ones as soon as they are here.

Real are, in this order and where the registry has them: the mission's fine-tunes, those of the project's own real
bases, and these bases as they were published. The app fetches them while it serves, unless it is told not to; a
comparison that is open keeps its models.
"""

import math
import threading
import time
from collections.abc import Mapping

from app.library.downloads import Download, Downloads
from data.errors import TradeoffError
from data.files import require_space, size_text
from data.models.cache import models_dir
from data.models.entries import ModelEntry, deployed_bytes
from data.models.fetch import local_path

Pair = tuple[str, str]
Registry = Mapping[str, ModelEntry]

RETRY_S = 600.0
TINY: Pair = ("smollm2-small-r8", "smollm2-135m-r16")
_REAL = (
    (("Llama-3.2-1B-Instruct", 8), ("Llama-3.2-3B-Instruct", 16)),
    (("Qwen2.5-Coder-0.5B-Instruct", 8), ("Qwen2.5-Coder-1.5B-Instruct", 16)),
    (("Qwen2.5-Coder-0.5B-Instruct", None), ("Qwen2.5-Coder-1.5B-Instruct", None)),
)
"""Base and rank of the small one and the large one."""


def real_pairs(registry: Registry) -> list[Pair]:
    """Those of `_REAL` of which the registry has both, as ids; of several that match, the first."""

    def find(base: str, rank: int | None) -> str | None:
        matching = (id_ for id_, each in registry.items() if each.base.lower() == base.lower() and each.rank == rank)
        return next(matching, None)

    pairs = (tuple(find(*each) for each in pair) for pair in _REAL)
    return [(small, large) for small, large in pairs if small and large]


def embedded_pair(registry: Registry) -> Pair:
    """The tiny pair; of another registry its first two models."""
    if all(model_id in registry for model_id in TINY):
        return TINY
    first, *rest = registry
    return first, (rest or [first])[0]


class FirstPair:
    """Which pair it is now, and how far the fetch of a real one is.

    Args:
        wanted: Whether a real pair is fetched that is not here.
    """

    def __init__(self, registry: Registry, downloads: Downloads, *, wanted: bool) -> None:
        self._registry, self._downloads, self._wanted = registry, downloads, wanted
        self._problem: str | None = None
        self._running = False
        self._failed_s = -math.inf
        self._cancelled = threading.Event()

    @property
    def now(self) -> Pair:
        """The best pair that is here, for who begins now."""
        here = (pair for pair in real_pairs(self._registry) if not self._missing(pair))
        return next(here, embedded_pair(self._registry)) if self._wanted else embedded_pair(self._registry)

    def start(self) -> None:
        """Fetch the best pair in the background, the small model first."""
        if self._wanted and self._aim and self._missing(self._aim) and not self._running:
            self._running, self._problem = True, None
            self._cancelled.clear()
            threading.Thread(target=self.work, name="first-pair", daemon=True).start()

    def try_again(self) -> None:
        """Fetch anew what could not be had some minutes ago, unless it was stopped."""
        if self._problem and not self._cancelled.is_set() and time.monotonic() - self._failed_s > RETRY_S:
            self.start()

    def work(self) -> None:
        """What the thread does."""
        try:
            missing = self._missing(self._aim or TINY)
            models_dir().mkdir(parents=True, exist_ok=True)
            require_space(models_dir(), self._size_bytes(missing), "the pair of real models")
            for model_id in missing:
                download = self._downloads.start(model_id, visitor="")
                while not download.finished.wait(0.5):
                    if self._cancelled.is_set():
                        download.cancelled.set()
                if download.problem:
                    self._problem, self._failed_s = download.problem, time.monotonic()
                    return
        except (TradeoffError, OSError) as error:
            self._problem = str(error)
        finally:
            self._running = False

    def cancel(self) -> None:
        """Stop fetching; what is here is kept."""
        self._cancelled.set()

    @property
    def running(self) -> bool:
        return self._running

    @property
    def says(self) -> str | None:
        """One line for the page; None where there is nothing to say."""
        if self._running:
            return f"{self._names()} are being fetched: {self._progress()}. Who begins after that begins with them."
        if self._problem and self._missing(self._aim or TINY):
            if self._cancelled.is_set():
                return f"{self._names()} were not fetched: stopped. The Models page fetches them."
            return (
                f"{self._names()} could not be fetched ({self._problem}); the small models are here, and the Models "
                "page fetches others."
            )
        return None

    @property
    def _aim(self) -> Pair | None:
        return next(iter(real_pairs(self._registry)), None)

    def _missing(self, pair: Pair) -> list[str]:
        return [each for each in pair if local_path(self._registry[each], self._registry) is None]

    def _size_bytes(self, ids: list[str]) -> int:
        return sum(deployed_bytes(self._registry[each], self._registry) or 0 for each in ids)

    def _names(self) -> str:
        return " and ".join(self._registry[each].label for each in self._aim or TINY)

    def _progress(self) -> str:
        aim = self._aim or TINY
        total = self._size_bytes(list(aim))
        done = sum(map(self._done_bytes, aim))
        share = f"{done / total:.0%} of " if total else ""
        return f"{share}{size_text(total)}"

    def _done_bytes(self, model_id: str) -> int:
        if model_id not in self._missing((model_id, model_id)):
            return self._size_bytes([model_id])
        download: Download | None = self._downloads.of(model_id)
        return download.progress.done_bytes if download and download.progress else 0
