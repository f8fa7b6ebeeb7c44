"""The worker process that infers, and which models are in its memory."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from app.machine.memory import Need, budget_bytes, need_of, together_bytes
from benchmarks.engine.contract import EngineError, Event, LoadOptions, ModelInfo, Request
from data.events import note

LOOK_S = 0.3
IDLE_S = 1800.0
"""After so long without use a model's memory is given back."""
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
    """Loads models on demand within a budget of memory, and makes room by unloading the least recently used.

    Who wants models claims them first, all at once, and waits until the claims of everybody fit; only what nobody
    claims is unloaded. So nobody who holds a part waits for the rest.

    Args:
        start_worker: Makes a fresh worker; called again after one has died.
        options: How models are opened.
        budget: Bytes that models may take together.
        needs: What a model's file takes.
    """

    def __init__(
        self,
        start_worker: Callable[[], ModelWorker],
        *,
        engine: str,
        options: LoadOptions,
        budget: int | None = None,
        needs: Callable[[Path, LoadOptions], Need] = need_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._start_worker = start_worker
        self._engine = engine
        self._options = options
        self.budget = budget_bytes() if budget is None else budget
        self._needs_of = needs
        self._clock = clock
        self._loading = threading.Lock()
        self._claims = threading.Condition()
        self._users: Counter[str] = Counter()
        self._turns: deque[object] = deque()  # who waits for memory, in the order of arrival
        self._needs: dict[str, Need] = {}  # of what is loaded or claimed
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
        return resident_bytes_of(worker.pid) if worker is not None and worker.alive else None

    @property
    def taken_bytes(self) -> int:
        """What the loaded models need, by their headers."""
        return self._together(self.loaded)

    def need(self, path: Path) -> int:
        """Bytes that a model needs by itself; 0 where its file cannot be read."""
        return self._needs_of(path, self._options).total_bytes

    def claim(self, paths: Mapping[str, Path], given_up: Callable[[], bool] = lambda: False) -> list[str]:
        """Have these models kept in memory once they are loaded; waits until they fit beside what others have claimed.

        Returns:
            Those that are claimed, each to be released once: without the ones that do not fit beside the others of the
            same claim, whatever anybody does; nothing once `given_up()` is true.
        """
        turn = object()
        with self._claims:
            self._needs |= {model: self._needs_of(path, self._options) for model, path in paths.items()}
            wanted = self._most_that_fits(list(paths))
            self._turns.append(turn)
            try:
                while not self._may_have(wanted, turn):
                    if given_up():
                        return []
                    self._claims.wait(LOOK_S)
                self._users.update(wanted)
            finally:
                self._turns.remove(turn)
                self._claims.notify_all()
        return wanted

    def release(self, model: str) -> None:
        with self._claims:
            self._users[model] -= 1
            if model in self._loaded:
                self._loaded[model] = self._clock()
            self._claims.notify_all()

    def _most_that_fits(self, models: list[str]) -> list[str]:
        chosen: list[str] = []
        for model in models:
            if self._together([*chosen, model]) <= self.budget:
                chosen.append(model)
        return chosen

    def _may_have(self, models: list[str], turn: object) -> bool:
        """Who came first is first, except for who wants nothing that is not claimed already."""
        claimed = {model for model, users in self._users.items() if users > 0}
        if claimed.issuperset(models):
            return True
        return turn is self._turns[0] and self._together({*claimed, *models}) <= self.budget

    def _together(self, models: Iterable[str]) -> int:
        return together_bytes(self._needs[model] for model in models if model in self._needs)

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
        with self._claims:
            return self._users[model] > 0

    def load(self, model: str, path: Path) -> None:
        """Load into the worker, once others that nobody claims have made room.

        Raises:
            EngineError: It cannot be loaded, the worker died of it, or it is set aside because workers did.
        """
        with self._loading:
            worker = self._living_worker()
            self._refuse_set_aside(model)
            if model not in self._loaded:
                self._needs[model] = self._needs_of(path, self._options)
                self._make_room(worker, model)
            try:
                worker.load(model, path, self._options, engine=self._engine)
            except EngineError:
                if not worker.alive or not self._unload(worker, self._idle()):
                    raise
                worker.load(model, path, self._options, engine=self._engine)
            if model not in self._loaded:
                note("model.loaded", model=model, taken_bytes=self._together({*self._loaded, model}))
            self._loaded[model] = self._clock()

    def unload_idle(self) -> None:
        """Give back the memory of what nobody has used for long; with the last model goes the worker."""
        if not self._loading.acquire(blocking=False):
            return
        try:
            worker, before = self.worker, self._clock() - IDLE_S
            old = [model for model in self._idle() if self._loaded[model] < before]
            if old and worker is not None and worker.alive:
                self._unload(worker, old)
                if not self._loaded and not any(users > 0 for users in self._users.values()):
                    worker.close()
                    self.worker = None
        finally:
            self._loading.release()

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
                note("worker.died", reason=self.worker.death, models=sorted(self.worker.suspects))
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

    def _make_room(self, worker: ModelWorker, model: str) -> None:
        for other in self._idle():
            if self._together({*self._loaded, model}) <= self.budget:
                return
            self._unload(worker, [other])

    def _idle(self) -> list[str]:
        """Loaded models that nobody claims, least recently used first."""
        return [each for each in sorted(self._loaded, key=self._loaded.__getitem__) if not self.in_use(each)]

    def _unload(self, worker: ModelWorker, models: list[str]) -> bool:
        for model in models:
            worker.unload(model)
            del self._loaded[model]
            note("model.unloaded", model=model)
        return bool(models)


def resident_bytes_of(pid: int | None) -> int | None:
    """Resident memory of a process, without one of this; None where it is gone."""
    try:
        lines = Path(f"/proc/{'self' if pid is None else pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), None)
