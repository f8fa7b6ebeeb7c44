"""Comparisons in progress: who waits, who writes, and what has been written so far.

Streamlit reruns a page's script at every click, so nothing that takes time may live there. One `GenerationService`
serves the whole process; pages hold the id of a comparison and read snapshots of it. No Streamlit in this module.
"""

import contextlib
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from app.lanes import Lane, LaneRequest, Snapshot
from benchmarks.engine import (
    Delta,
    EngineError,
    Event,
    Finished,
    FinishReason,
    LoadOptions,
    ModelInfo,
    Request,
    Started,
)
from data.progress import FetchCancelled, ModelError, Progress
from data.registry import ModelEntry, RegistryError, get

LEASE_S = 8.0
FORGET_S = 600.0


class Refused(Exception):
    """The comparison cannot be started now; the message is one line for the visitor."""


class ModelWorker(Protocol):
    """What the service needs of `benchmarks.worker.Worker`."""

    @property
    def alive(self) -> bool: ...
    def load(self, model: str, path: Path, options: LoadOptions, *, engine: str = ...) -> ModelInfo: ...
    def unload(self, model: str) -> None: ...
    def submit(self, model: str, request: Request, on_event: Callable[[Event], None]) -> int: ...
    def cancel(self, model: str, request_id: int) -> None: ...
    def close(self) -> None: ...


class Fetch(Protocol):
    """`data.sources.fetch`."""

    def __call__(
        self,
        entry: ModelEntry,
        registry: Mapping[str, ModelEntry],
        *,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Path: ...


@dataclass(kw_only=True)
class _Job:
    id: str
    visitor: str
    requests: tuple[LaneRequest, ...]
    lanes: list[Lane]
    touched_at: float
    engine_ids: list[int | None]
    cancelled: list[bool]
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def done(self) -> bool:
        return all(lane.done for lane in self.lanes)


class GenerationService:
    """Runs comparisons for many visitors on one worker. Every method is thread-safe and returns at once.

    Args:
        registry: The models on offer.
        fetch: Makes a model's file available; called on a background thread.
        start_worker: Makes a fresh worker; called again after one has died.
        options: How models are opened; `sequences` is also how many comparisons run at the same time.
        max_waiting: Comparisons in the queue before new ones are refused.
        max_loaded: Models kept in memory at once.
    """

    def __init__(
        self,
        registry: Mapping[str, ModelEntry],
        *,
        fetch: Fetch,
        start_worker: Callable[[], ModelWorker],
        engine: str = "llama_cpp",
        options: LoadOptions | None = None,
        max_waiting: int = 16,
        max_loaded: int = 4,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._fetch = fetch
        self._start_worker = start_worker
        self._engine = engine
        self._options = options or LoadOptions(sequences=4, prefill_chunk_tokens=128)
        self._max_waiting = max_waiting
        self._max_loaded = max_loaded
        self._clock = clock
        self._lock = threading.RLock()
        self._jobs: dict[str, _Job] = {}
        self._waiting: deque[str] = deque()
        self._running: set[str] = set()
        self._worker: ModelWorker | None = None
        self._worker_lock = threading.Lock()
        self._loaded: dict[str, float] = {}  # model id -> when it was last used
        self._in_use: list[str] = []
        self._closed = threading.Event()
        threading.Thread(target=self._watch_leases, name="leases", daemon=True).start()

    def compare(self, visitor: str, lanes: Sequence[LaneRequest]) -> str:
        """Queue a comparison and return its id.

        Raises:
            Refused: An unknown model, a comparison of this visitor still in progress, or a full queue.
        """
        for lane in lanes:
            try:
                get(self._registry, lane.model_id)
            except RegistryError as error:
                raise Refused(str(error)) from None
        with self._lock:
            if any(job.visitor == visitor and not job.done for job in self._jobs.values()):
                raise Refused("your last comparison is still being written; stop it or wait for its end")
            if len(self._waiting) >= self._max_waiting:
                raise Refused(f"{len(self._waiting)} comparisons are waiting already; try again in a minute")
            job = _Job(
                id=uuid.uuid4().hex,
                visitor=visitor,
                requests=tuple(lanes),
                lanes=[Lane(model_id=lane.model_id) for lane in lanes],
                touched_at=self._clock(),
                engine_ids=[None] * len(lanes),
                cancelled=[False] * len(lanes),
            )
            self._jobs[job.id] = job
            self._waiting.append(job.id)
        self._start_waiting()
        return job.id

    def warm(self, model_ids: Sequence[str]) -> None:
        """Load models ahead of the first visitor, in the background; a failure shows when the model is used."""
        threading.Thread(target=self._warm, args=(tuple(model_ids),), name="warm-up", daemon=True).start()

    def _warm(self, model_ids: tuple[str, ...]) -> None:
        with contextlib.suppress(EngineError, ModelError, RegistryError, OSError):
            for model_id in model_ids:
                entry = get(self._registry, model_id)
                path = self._fetch(entry, self._registry, progress=lambda progress: None, cancelled=self._closed.is_set)
                self._load(model_id, path)

    def snapshot(self, comparison_id: str) -> Snapshot | None:
        """The comparison as it is now, or None when it is forgotten. Reading it renews its lease."""
        with self._lock:
            job = self._jobs.get(comparison_id)
            if job is None:
                return None
            job.touched_at = self._clock()
            place = self._waiting.index(job.id) + 1 if job.id in self._waiting else None
            return Snapshot(id=job.id, lanes=tuple(job.lanes), place=place)

    def touch(self, visitor: str) -> None:
        """Renew the leases of a visitor whose page is still open, whichever page it is."""
        with self._lock:
            for job in self._jobs.values():
                if job.visitor == visitor:
                    job.touched_at = self._clock()

    def cancel(self, comparison_id: str, lane: int | None = None) -> None:
        """Stop one lane, or all of them; what has been written stays. Unknown ids are ignored."""
        with self._lock:
            job = self._jobs.get(comparison_id)
            if job is None:
                return
            for index in range(len(job.lanes)) if lane is None else [lane]:
                job.cancelled[index] = True
                engine_id = job.engine_ids[index]
                if engine_id is not None and self._worker is not None:
                    self._worker.cancel(job.lanes[index].model_id, engine_id)
                elif job.id in self._waiting:
                    self._end(job, index, "cancelled")
            if job.done and job.id in self._waiting:
                self._waiting.remove(job.id)

    def end_expired(self) -> None:
        """Cancel what nobody watches any more, and forget what ended long ago."""
        now = self._clock()
        with self._lock:
            for job in list(self._jobs.values()):
                unwatched_s = now - job.touched_at
                if job.done and unwatched_s > FORGET_S:
                    del self._jobs[job.id]
                elif not job.done and unwatched_s > LEASE_S:
                    self.cancel(job.id)

    def close(self) -> None:
        """Stop everything and free the models."""
        self._closed.set()
        with self._lock:
            for job_id in list(self._jobs):
                self.cancel(job_id)
        if self._worker is not None:
            self._worker.close()

    def _watch_leases(self) -> None:
        while not self._closed.wait(0.5):
            self.end_expired()

    def _start_waiting(self) -> None:
        with self._lock:
            while self._waiting and len(self._running) < self._options.sequences:
                job = self._jobs[self._waiting.popleft()]
                self._running.add(job.id)
                threading.Thread(target=self._run, args=(job,), name=f"comparison-{job.id[:6]}", daemon=True).start()

    def _run(self, job: _Job) -> None:
        """Prepare all lanes first, so that they start together; then wait for their ends."""
        models = [lane.model_id for lane in job.requests]
        with self._lock:
            self._in_use += models
        try:
            for index in range(len(job.lanes)):
                self._prepare(job, index)
            for index in range(len(job.lanes)):
                self._submit(job, index)
            job.finished.wait()
        finally:
            with self._lock:
                for model in models:
                    self._in_use.remove(model)
                self._running.discard(job.id)
            self._start_waiting()

    def _prepare(self, job: _Job, index: int) -> None:
        """Fetch and load a lane's model; an error ends the lane, and the others go on."""
        if job.lanes[index].done:
            return
        try:
            self._update(job, index, stage="fetching")
            entry = get(self._registry, job.lanes[index].model_id)
            path = self._fetch(
                entry,
                self._registry,
                progress=lambda progress: self._show_fetch(job, index, progress),
                cancelled=lambda: job.cancelled[index],
            )
            if job.cancelled[index]:
                self._end(job, index, "cancelled")
                return
            self._update(job, index, stage="loading")
            self._load(entry.id, path)
            self._update(job, index, stage="waiting")
        except Exception as error:  # the lane's thread is the edge: whatever went wrong is shown in the lane
            if job.cancelled[index] or isinstance(error, FetchCancelled):
                self._end(job, index, "cancelled")
            else:
                self._end(job, index, "error", error=one_line(error))

    def _show_fetch(self, job: _Job, index: int, progress: Progress) -> None:
        self._update(job, index, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)

    def _load(self, model: str, path: Path) -> None:
        """Load into the worker; where that fails, once more after idle models are gone."""
        with self._worker_lock:
            worker = self._living_worker()
            if model not in self._loaded and len(self._loaded) >= self._max_loaded:
                self._unload_idle(worker, keep=self._max_loaded - 1)
            try:
                worker.load(model, path, self._options, engine=self._engine)
            except EngineError:
                if not worker.alive or not self._unload_idle(worker, keep=0):
                    raise
                worker.load(model, path, self._options, engine=self._engine)
            self._loaded[model] = self._clock()

    def _living_worker(self) -> ModelWorker:
        if self._worker is None or not self._worker.alive:
            if self._worker is not None:
                self._worker.close()
            self._worker = self._start_worker()
            self._loaded.clear()
        return self._worker

    def _unload_idle(self, worker: ModelWorker, *, keep: int) -> bool:
        """Unload models that nobody uses, least recently used first, down to `keep`; whether any went."""
        with self._lock:
            idle = [model for model in sorted(self._loaded, key=self._loaded.__getitem__) if model not in self._in_use]
        going = idle[: max(0, len(self._loaded) - keep)]
        for model in going:
            worker.unload(model)
            del self._loaded[model]
        return bool(going)

    def _submit(self, job: _Job, index: int) -> None:
        lane = job.lanes[index]
        if lane.done:
            return
        worker = self._worker
        try:
            if worker is None:
                raise EngineError("the inference worker is gone; send the prompt again")
            request = job.requests[index].request
            engine_id = worker.submit(lane.model_id, request, lambda event: self._take(job, index, event))
        except Exception as error:  # as in _prepare: a lane must always end
            self._end(job, index, "error", error=one_line(error))
            return
        with self._lock:
            job.engine_ids[index] = engine_id
            if job.cancelled[index]:  # pressed while it was being submitted
                worker.cancel(lane.model_id, engine_id)

    def _take(self, job: _Job, index: int, event: Event) -> None:
        if isinstance(event, Started):
            self._update(
                job, index, stage="prefill", prompt_tokens=event.prompt_tokens, cached_tokens=event.cached_tokens
            )
        elif isinstance(event, Delta):
            self._update(
                job,
                index,
                stage="writing",
                text=job.lanes[index].text + event.text,
                completion_tokens=event.completion_tokens,
                decode_s=event.decode_s,
                ttft_s=event.ttft_s,
            )
        else:
            self._finish(job, index, event)

    def _finish(self, job: _Job, index: int, event: Finished) -> None:
        self._update(job, index, text=event.text, completion_tokens=event.completion_tokens, timings=event.timings)
        if event.timings.ttft_s is not None:
            self._update(job, index, ttft_s=event.timings.ttft_s)
        self._end(job, index, event.reason, error=event.error)

    def _end(self, job: _Job, index: int, reason: FinishReason, *, error: str | None = None) -> None:
        self._update(job, index, stage="done", reason=reason, error=error)
        if job.done:
            job.finished.set()

    def _update(self, job: _Job, index: int, **changes: object) -> None:
        with self._lock:
            if not job.lanes[index].done:
                job.lanes[index] = replace(job.lanes[index], **changes)  # type: ignore[arg-type]


def one_line(error: Exception) -> str:
    """An exception as one line; the unexpected ones say their type."""
    text = " ".join(str(error).split())
    return text if isinstance(error, EngineError | RegistryError | ModelError) else f"{type(error).__name__}: {text}"
