"""One model in a worker of its own, behind the `Engine` protocol: what measurements and the parity gate run on."""

import contextlib
import queue
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import Engine, EngineError, Event, Finished, LoadOptions, ModelInfo, Request
from benchmarks.engine.ends import Ends
from benchmarks.engine.worker import Worker


class WorkerEngine(Engine):
    """One model in a worker of its own, behind the `Engine` protocol.

    Raises:
        EngineError: The model cannot be loaded, does not fit in memory, or kills its worker.
    """

    _MODEL = "model"

    def __init__(
        self,
        path: Path,
        options: LoadOptions,
        *,
        engine: str = "llama_cpp",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._worker = Worker(environment)
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._unfinished: set[int] = set()
        self._peak_rss_bytes: int | None = None
        try:
            self._info = self._worker.load(self._MODEL, path, options, engine=engine)
        except EngineError:
            self._worker.close()
            raise

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._unfinished)

    @property
    def pid(self) -> int:
        return self._worker.pid

    @property
    def death(self) -> str | None:
        """What ended the worker; None while it lives."""
        return self._worker.death

    @property
    def peak_rss_bytes(self) -> int | None:
        """The worker's highest resident memory so far; the last value known once it has ended."""
        if self._worker.alive:
            with contextlib.suppress(EngineError):
                self._peak_rss_bytes = self._worker.memory().peak_rss_bytes
        return self._peak_rss_bytes

    def submit(self, request: Request) -> int:
        request_id = self._worker.submit(self._MODEL, request, self._events.put)
        self._unfinished.add(request_id)
        return request_id

    def step(self, budget_s: float, *, contended: bool = False) -> list[Event]:
        """Events of the next `budget_s` seconds; the worker makes progress whether or not this is called."""
        if not self._unfinished:
            return []
        deadline = time.monotonic() + budget_s
        events: list[Event] = []
        while self._unfinished and (left := deadline - time.monotonic()) > 0:
            try:
                event = self._events.get(timeout=left)
            except queue.Empty:
                break
            events.append(event)
            if isinstance(event, Finished):
                self._unfinished.discard(event.id)
        return events

    def cancel(self, request_id: int) -> None:
        self._worker.cancel(self._MODEL, request_id)

    def score(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        return self._worker.score(self._MODEL, token_ids)

    def distributions(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        return self._worker.distributions(self._MODEL, token_ids)

    def score_ends(self, question: Ends) -> list[float]:
        return self._worker.score_ends(self._MODEL, question)

    def tokenize(self, request: Request) -> list[int]:
        return self._worker.tokenize(self._MODEL, request)

    def close(self) -> None:
        self._peak_rss_bytes = self.peak_rss_bytes
        self._worker.close()
