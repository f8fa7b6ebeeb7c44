"""A comparison whose turn has come: each lane's model fetched, kept in memory, loaded, and asked."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from app.chat.inert import without_folders
from app.chat.lanes import Comparison
from app.machine.loaded_models import LoadedModels
from benchmarks.engine.contract import EngineError, Event, Finished, FinishReason, LoadOptions
from data.errors import ModelError
from data.files import model_size_bytes
from data.models.entries import ModelEntry, Registry, RegistryError
from data.models.registry import get
from data.progress import FetchCancelled, Progress


class Fetch(Protocol):
    """`data.models.fetch.fetch`."""

    def __call__(
        self,
        entry: ModelEntry,
        registry: Mapping[str, ModelEntry],
        *,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Path: ...


class Lanes:
    """Runs the lanes of comparisons, each on the thread that calls.

    Args:
        lock: Guards what a comparison knows of its requests.
    """

    def __init__(
        self,
        registry: Registry,
        models: LoadedModels,
        options: LoadOptions,
        *,
        fetch: Fetch,
        is_here: Callable[[ModelEntry, Registry], bool],
        lock: "threading.RLock",
    ) -> None:
        self._registry, self._models, self._options = registry, models, options
        self._fetch, self._is_here, self._lock = fetch, is_here, lock

    def run(self, job: Comparison) -> None:
        """Until the last lane has ended.

        Lanes whose models are here are loaded and start together; they do not wait for one that has to be fetched. They
        do wait for each other's loads: the worker writes nothing while it loads, and times would be of that.
        """
        here = [self._is_here(self._registry[model], self._registry) for model in job.models]
        try:
            for group in (True, False):
                self._begin(job, [index for index, each in enumerate(here) if each is group])
            job.finished.wait()
        finally:
            for index in range(len(job.lanes)):
                self._release(job, index)

    def _begin(self, job: Comparison, indices: list[int]) -> None:
        """Each step ends the lanes that fail."""
        fetched = {index: path for index in indices if (path := self._fetched(job, index))}
        paths = {index: path for index, path in fetched.items() if not job.lanes[index].done}
        self._claim(job, paths)
        ready = [index for index, path in paths.items() if self._loaded(job, index, path)]
        for index in ready:
            self._submit(job, index)

    def _fetched(self, job: Comparison, index: int) -> Path | None:
        if job.lanes[index].done:
            return None
        with self._edge(job, index):
            job.update(index, stage="fetching")
            return self._fetch(
                get(self._registry, job.lanes[index].model_id),
                self._registry,
                progress=lambda progress: _show_fetch(job, index, progress),
                cancelled=lambda: job.cancelled[index],
            )
        return None

    @contextlib.contextmanager
    def _edge(self, job: Comparison, index: int) -> Iterator[None]:
        """Whatever goes wrong inside is shown in the lane, which ends; so does one that was stopped meanwhile."""
        try:
            yield
            if job.cancelled[index]:
                raise FetchCancelled
        except Exception as error:
            if job.cancelled[index] or isinstance(error, FetchCancelled):
                self._end(job, index, "cancelled")
            else:
                self._end(job, index, "error", one_line(error))

    def _claim(self, job: Comparison, paths: Mapping[int, Path]) -> None:
        """Wait until the lanes' models fit into memory beside what others use; those that never will, end."""
        wanted = {job.lanes[index].model_id: path for index, path in paths.items()}
        for index in paths:
            job.update(index, stage="room")
        claimed = self._models.claim(wanted, lambda: all(job.cancelled[index] for index in paths)) if paths else []
        lanes = [index for index in paths if job.lanes[index].model_id in claimed]
        with self._lock:
            job.claims |= {index: job.lanes[index].model_id for index in lanes}
        for index, path in paths.items():
            with self._edge(job, index):
                if index not in lanes:
                    raise EngineError(self._too_large(path))

    def _too_large(self, path: Path) -> str:
        need, have = self._models.need(path) / 1e9, self._models.budget / 1e9
        return f"needs {need:.1f} GB beside this comparison's other models, {have:.1f} GB are for models; choose fewer"

    def _end(self, job: Comparison, index: int, reason: FinishReason, error: str | None = None) -> None:
        job.end(index, reason, error=error)
        self._release(job, index)

    def _release(self, job: Comparison, index: int) -> None:
        """A model's claim goes with the last lane that has it."""
        with self._lock:
            model = job.claims.pop(index, None)
            last = model is not None and model not in job.claims.values()
        if model is not None and last:
            self._models.release(model)

    def _loaded(self, job: Comparison, index: int, path: Path) -> bool:
        """Whether it is loaded and still wanted. The lane tells meanwhile how much of the file is in memory."""
        if job.lanes[index].done:
            return False
        with self._edge(job, index):
            model, total = job.lanes[index].model_id, model_size_bytes(path)
            if model in self._models.loaded:
                self._models.load(model, path)
            else:
                needs = self._models.need(path) or None
                job.update(index, stage="loading", done_bytes=0, total_bytes=total, needs_bytes=needs)
                with self._models.watched(lambda grown: job.update(index, done_bytes=min(total, grown))):
                    self._models.load(model, path)
            job.update(index, stage="waiting")
        return not job.lanes[index].done

    def _submit(self, job: Comparison, index: int) -> None:
        lane = job.lanes[index]
        if lane.done:
            return
        worker = self._models.worker
        try:
            if worker is None:
                raise EngineError("the inference worker is gone; send the prompt again")
            engine_id = worker.submit(
                lane.model_id, job.requests[index].request, lambda event: self._take(job, index, event)
            )
        except Exception as error:  # a lane must always end
            self._end(job, index, "error", one_line(error))
            return
        with self._lock:
            job.engine_ids[index] = engine_id
            if job.cancelled[index]:  # pressed while it was being submitted
                worker.cancel(lane.model_id, engine_id)

    def _take(self, job: Comparison, index: int, event: Event) -> None:
        memory = self._models.resident_bytes if isinstance(event, Finished) else None
        if isinstance(event, Finished) and event.reason not in ("error", "cancelled"):
            self._models.prove(job.lanes[index].model_id)
        job.take(index, event, memory_bytes=memory)
        if isinstance(event, Finished):
            self._release(job, index)


def _show_fetch(job: Comparison, index: int, progress: Progress) -> None:
    job.update(index, done_bytes=progress.done_bytes, total_bytes=progress.total_bytes)


def one_line(error: Exception) -> str:
    """An exception as one line for everybody, without paths; the unexpected ones say their type."""
    text = without_folders(" ".join(str(error).split()))
    return text if isinstance(error, EngineError | RegistryError | ModelError) else f"{type(error).__name__}: {text}"
