"""Comparisons in progress: who waits, who writes, and what has been written so far.

Streamlit reruns a page's script at every click, so nothing that takes time may live there. One `GenerationService`
serves the whole process; pages hold the id of a comparison and read snapshots of it.
"""

import contextlib
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.chat.lanes import Comparison, LaneRequest, Snapshot
from app.chat.running import Fetch, Lanes
from app.machine.fair_queue import FairQueue
from app.machine.loaded_models import LoadedModels, ModelWorker
from app.machine.memory import Need, context_tokens, need_of
from benchmarks.engine.contract import EngineError, LoadOptions
from data.errors import ModelError, TradeoffError
from data.events import note
from data.models.entries import ModelEntry, Registry, RegistryError
from data.models.fetch import local_path
from data.models.registry import get

LEASE_S = 8.0
FORGET_S = 600.0
CHARACTERS_PER_TOKEN = 16
"""More than this no tokenizer packs into a token of usual text; longer prompts are refused before they are read."""


class Refused(TradeoffError):
    """The comparison cannot be started now; the message is one line for the visitor."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """Comparisons that wait and run, and what the last ten took on average."""

    waiting: int
    running: int
    took_s: float | None


class GenerationService:
    """Runs comparisons for many visitors on one worker. Every method is thread-safe and returns at once.

    Args:
        registry: The models on offer.
        fetch: Makes a model's file available; called on a background thread.
        start_worker: Makes a fresh worker; called again after one has died.
        options: How models are opened; `sequences` is also how many comparisons run at the same time.
        max_waiting: Comparisons in the queue before new ones are refused, and of one person.
        memory_bytes: That loaded models may take together; by default a share of what the machine has.
        is_open: Whether a visitor's tab is open; what they started goes on as long as it is.
        is_here: Whether a model needs no fetching.
    """

    def __init__(
        self,
        registry: Mapping[str, ModelEntry],
        *,
        fetch: Fetch,
        start_worker: Callable[[], ModelWorker],
        engine: str = "llama_cpp",
        options: LoadOptions | None = None,
        max_waiting: tuple[int, int] = (1_000, 8),
        memory_bytes: int | None = None,
        needs: Callable[[Path, LoadOptions], Need] = need_of,
        is_open: Callable[[str], bool] = lambda visitor: False,
        is_here: Callable[[ModelEntry, Registry], bool] = lambda entry, known: local_path(entry, known) is not None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._fetch = fetch
        self._options = options or LoadOptions(sequences=4, prefill_chunk_tokens=128, context_tokens=context_tokens())
        self._max_waiting = max_waiting
        self._is_open = is_open
        self._clock = clock
        self._lock = threading.RLock()
        self._jobs: dict[str, Comparison] = {}
        self._waiting = FairQueue()
        self._running: set[str] = set()
        self._took_s: deque[float] = deque(maxlen=10)
        self.models = LoadedModels(
            start_worker, engine=engine, options=self._options, budget=memory_bytes, needs=needs, clock=clock
        )
        self._lanes = Lanes(registry, self.models, self._options, fetch=fetch, is_here=is_here, lock=self._lock)
        self._closed = threading.Event()
        threading.Thread(target=self._watch_leases, name="leases", daemon=True).start()

    @property
    def options(self) -> LoadOptions:
        return self._options

    def compare(self, visitor: str, lanes: Sequence[LaneRequest], *, person: str | None = None) -> str:
        """Queue a comparison and return its id; its turn comes by itself.

        Args:
            person: Who is behind the visitor, who may have many tabs; the queue is fair by person.

        Raises:
            Refused: An unknown model, a prompt that no context holds, a comparison of this visitor still in progress,
                as many waiting as a person may have, or a full queue.
        """
        self._check(lanes)
        person, (most, most_of_one) = person or visitor, self._max_waiting
        with self._lock:
            if any(job.visitor == visitor and not job.done for job in self._jobs.values()):
                raise Refused("your last comparison is still being written; stop it or wait for its end")
            if self._waiting.held_by(person) >= most_of_one:
                raise Refused(f"{most_of_one} comparisons of yours are waiting already; wait for one, or stop one")
            if len(self._waiting) >= most:
                raise Refused(f"{len(self._waiting):,} comparisons are waiting already; try again in a minute")
            job = Comparison(visitor, lanes, self._clock())
            self._jobs[job.id] = job
            self._waiting.add(job.id, person)
            note("comparison.queued", request=job.id[:8], models=job.models, waiting=len(self._waiting))
        self._start_waiting()
        return job.id

    def load(self) -> Load:
        """How busy it is."""
        with self._lock:
            took = statistics.fmean(self._took_s) if self._took_s else None
            return Load(waiting=len(self._waiting), running=len(self._running), took_s=took)

    def _check(self, lanes: Sequence[LaneRequest]) -> None:
        limit = self._options.context_tokens * CHARACTERS_PER_TOKEN
        for lane in lanes:
            get(self._registry, lane.model_id)
            characters = sum(len(message.content) for message in lane.request.messages)
            if characters > limit:
                raise Refused(
                    f"the conversation has {characters:,} characters; a context of {self._options.context_tokens:,} "
                    f"tokens holds {limit:,} at the very most: shorten the prompt, or start anew with Clear"
                )

    def warm(self, model_ids: Sequence[str]) -> None:
        """Load models ahead of the first visitor, in the background; a failure shows when the model is used."""
        threading.Thread(target=self._warm, args=(tuple(model_ids),), name="warm-up", daemon=True).start()

    def _warm(self, model_ids: tuple[str, ...]) -> None:
        with contextlib.suppress(EngineError, ModelError, RegistryError, OSError):
            for model_id in model_ids:
                entry = get(self._registry, model_id)
                path = self._fetch(entry, self._registry, progress=lambda progress: None, cancelled=self._closed.is_set)
                for claimed in self.models.claim({model_id: path}, self._closed.is_set):
                    try:
                        self.models.load(claimed, path)
                    finally:
                        self.models.release(claimed)

    def snapshot(self, comparison_id: str, *, renew: bool = True) -> Snapshot | None:
        """The comparison as it is now, or None when it is forgotten. Reading renews its lease, unless told not to."""
        with self._lock:
            job = self._jobs.get(comparison_id)
            if job is None:
                return None
            if renew:
                job.touched_at = self._clock()
            place = self._waiting.in_order().index(job.id) + 1 if job.id in self._waiting else None
            return Snapshot(id=job.id, lanes=tuple(job.lanes), place=place, wait_s=self._wait_s(place))

    def _wait_s(self, place: int | None) -> float | None:
        """Places of the queue times how long a comparison takes; so many at once end in that time."""
        if place is None or not self._took_s:
            return None
        return place * statistics.fmean(self._took_s) / self._options.sequences

    def touch(self, visitor: str) -> None:
        """Renew the leases of a visitor who did something, on whichever page."""
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
                if engine_id is not None and self.models.worker is not None:
                    self.models.worker.cancel(job.lanes[index].model_id, engine_id)
                elif job.id in self._waiting:
                    job.end(index, "cancelled")
            if job.done and job.id in self._waiting:
                self._waiting.remove(job.id)

    def end_expired(self) -> None:
        """Cancel what nobody watches any more, and forget what ended long ago."""
        now = self._clock()
        with self._lock:
            for job in list(self._jobs.values()):
                if not job.done and self._is_open(job.visitor):
                    job.touched_at = now
                unwatched_s = now - job.touched_at
                if job.done and unwatched_s > FORGET_S and job.id not in self._running:
                    del self._jobs[job.id]
                elif not job.done and unwatched_s > LEASE_S:
                    self.cancel(job.id)

    def close(self) -> None:
        """Stop everything and free the models."""
        self._closed.set()
        with self._lock:
            for job_id in list(self._jobs):
                self.cancel(job_id)
        self.models.close()

    def _watch_leases(self) -> None:
        while not self._closed.wait(0.5):
            self.end_expired()
            self.models.unload_idle()

    def _start_waiting(self) -> None:
        with self._lock:
            while self._waiting and len(self._running) < self._options.sequences:
                job = self._jobs[self._waiting.pop()]
                self._running.add(job.id)
                threading.Thread(target=self._run, args=(job,), name=f"comparison-{job.id[:6]}", daemon=True).start()

    def _run(self, job: Comparison) -> None:
        started = self._clock()
        note("comparison.begun", request=job.id[:8], waited_s=started - job.queued_at)
        try:
            self._lanes.run(job)
        finally:
            self._log_end(job, self._clock() - started)
            with self._lock:
                self._running.discard(job.id)
                self._took_s.append(self._clock() - started)
            self._start_waiting()

    def _log_end(self, job: Comparison, seconds: float) -> None:
        note(
            "comparison.ended",
            request=job.id[:8],
            seconds=seconds,
            reasons=[lane.reason or "none" for lane in job.lanes],
            tokens=sum(lane.completion_tokens for lane in job.lanes),
        )
