"""The worker process that infers, and which models are in its memory."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from benchmarks.engine.contract import EngineError, Event, LoadOptions, ModelInfo, Request
from benchmarks.engine.machine import required_memory_bytes
from data.gguf.header import GGUFError
from data.gguf.split import read_model

LOOK_S = 0.3
STRIKES, SET_ASIDE_S = 2, 600.0
"""Workers that a model may cost, and how long it is set aside then."""


class ModelWorker(Protocol):
    """What is needed of `benchmarks.engine.worker.Worker`."""

    @property
    def alive(self) -> bool: ...
    @property
    def pid(self) -> int: ...

    death: str | None
    suspects: frozenset[str]

    def load(self, model: str, path: Path, options: LoadOptions, *, engine: str = ...) -> ModelInfo: ...
    def unload(self, model: str) -> None: ...
    def submit(self, model: str, request: Request, on_event: Callable[[Event], None]) -> int: ...
    def cancel(self, model: str, request_id: int) -> None: ...
    def close(self) -> None: ...


class LoadedModels:
    """Loads models on demand, and makes room by unloading the least recently used that nobody needs.

    Args:
        start_worker: Makes a fresh worker; called again after one has died.
        options: How models are opened.
        max_loaded: Models kept in memory at once.
    """

    def __init__(
        self,
        start_worker: Callable[[], ModelWorker],
        *,
        engine: str,
        options: LoadOptions,
        max_loaded: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start_worker = start_worker
        self._engine = engine
        self._options = options
        self._max_loaded = max_loaded
        self._clock = clock
        self._loading = threading.Lock()
        self._users_lock = threading.Lock()
        self._users: Counter[str] = Counter()
        self._loaded: dict[str, float] = {}  # model id -> when it was last used
        self._strikes: Counter[str] = Counter()
        self._set_aside: dict[str, tuple[float, str]] = {}  # model id -> until when, and why
        self.worker: ModelWorker | None = None

    @property
    def loaded(self) -> list[str]:
        return list(self._loaded)

    @property
    def resident_bytes(self) -> int | None:
        """Memory of the worker now, all its models together."""
        worker = self.worker
        return resident_bytes(worker.pid) if worker is not None and worker.alive else None

    @contextmanager
    def used_by(self, models: Sequence[str]) -> Iterator[None]:
        """While inside, these models are not unloaded."""
        with self._users_lock:
            self._users.update(models)
        try:
            yield
        finally:
            with self._users_lock:
                self._users.subtract(models)

    @contextmanager
    def watched(self, tell: Callable[[int], None]) -> Iterator[None]:
        """While inside, `tell` hears a few times a second how many bytes the worker takes more than at first."""
        before, over = self.resident_bytes or 0, threading.Event()

        def look() -> None:
            while not over.wait(LOOK_S):
                tell(max(0, (self.resident_bytes or 0) - before))

        looker = threading.Thread(target=look, name="loading", daemon=True)
        looker.start()
        try:
            yield
        finally:
            over.set()
            looker.join()

    def in_use(self, model: str) -> bool:
        with self._users_lock:
            return self._users[model] > 0

    def load(self, model: str, path: Path) -> None:
        """Load into the worker; where that fails, once more after idle models are gone.

        Raises:
            EngineError: It cannot be loaded, the worker died of it, or it is set aside because workers did.
        """
        with self._loading:
            worker = self._living_worker()
            self._refuse_set_aside(model)
            if model not in self._loaded and len(self._loaded) >= self._max_loaded:
                self._unload_idle(worker, keep=self._max_loaded - 1)
            try:
                worker.load(model, path, self._options, engine=self._engine)
            except EngineError:
                if not worker.alive or not self._unload_idle(worker, keep=0):
                    raise
                worker.load(model, path, self._options, engine=self._engine)
            self._loaded[model] = self._clock()

    def prove(self, model: str) -> None:
        """It has written a reply to its end: what killed a worker beside it was another."""
        self._strikes.pop(model, None)

    def unload(self, model: str) -> bool:
        """Free a model that nobody uses; False where somebody does."""
        with self._loading:
            if self.in_use(model):
                return False
            if model in self._loaded and self.worker is not None and self.worker.alive:
                self.worker.unload(model)
            self._loaded.pop(model, None)
            return True

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()

    def _living_worker(self) -> ModelWorker:
        if self.worker is None or not self.worker.alive:
            if self.worker is not None:
                self._blame(self.worker)
                self.worker.close()
            self.worker = self._start_worker()
            self._loaded.clear()
        return self.worker

    def _blame(self, worker: ModelWorker) -> None:
        """Count a worker's death for the models that it was at; a model that has cost too many is set aside."""
        for model in worker.suspects if worker.death else ():
            self._strikes[model] += 1
            if self._strikes[model] >= STRIKES:
                del self._strikes[model]
                self._set_aside[model] = (self._clock() + SET_ASIDE_S, worker.death or "")

    def _refuse_set_aside(self, model: str) -> None:
        until, why = self._set_aside.get(model, (0.0, ""))
        if (left := until - self._clock()) > 0:
            raise EngineError(
                f"the model is set aside for {left / 60:.0f} more minutes, since it has cost {STRIKES} workers: {why}"
            )
        self._set_aside.pop(model, None)

    def _unload_idle(self, worker: ModelWorker, *, keep: int) -> bool:
        """Unload models that nobody uses, least recently used first, down to `keep`; whether any went."""
        idle = [model for model in sorted(self._loaded, key=self._loaded.__getitem__) if not self.in_use(model)]
        going = idle[: max(0, len(self._loaded) - keep)]
        for model in going:
            worker.unload(model)
            del self._loaded[model]
        return bool(going)


def memory_bytes(path: Path, options: LoadOptions) -> int | None:
    """What a model needs once it is loaded; None where its file cannot be read, of which the load says why."""
    try:
        return required_memory_bytes(read_model(path), options)
    except (GGUFError, OSError):
        return None


def resident_bytes(pid: int) -> int | None:
    """Resident memory of a process; None where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
