"""One comparison in progress: its lanes, and what the engines' events make of them. No Streamlit in this module."""

import threading
import uuid
from collections.abc import Sequence
from dataclasses import replace

from app.chat.lanes import Lane, LaneRequest, Pace
from benchmarks.engine.contract import Delta, Event, Finished, FinishReason, Started

MAX_PACES = 600


class Comparison:
    """Lanes that several threads write to; a lane that has ended never changes again.

    Attributes:
        engine_ids: The engine's id of each lane's request, once it was submitted.
        cancelled: Lanes that the visitor has stopped, whatever they were doing.
        finished: Set when the last lane ends.
    """

    def __init__(self, visitor: str, requests: Sequence[LaneRequest], touched_at: float) -> None:
        self.id = uuid.uuid4().hex
        self.visitor = visitor
        self.requests = tuple(requests)
        self.lanes = [Lane(model_id=each.model_id, seed=each.request.sampling.seed) for each in requests]
        self.touched_at = touched_at
        self.engine_ids: list[int | None] = [None] * len(self.requests)
        self.cancelled = [False] * len(self.requests)
        self.finished = threading.Event()
        self._lock = threading.RLock()

    @property
    def done(self) -> bool:
        return all(lane.done for lane in self.lanes)

    @property
    def models(self) -> list[str]:
        return [each.model_id for each in self.requests]

    def update(self, index: int, **changes: object) -> None:
        with self._lock:
            if not self.lanes[index].done:
                self.lanes[index] = replace(self.lanes[index], **changes)  # type: ignore[arg-type]

    def end(self, index: int, reason: FinishReason, *, error: str | None = None) -> None:
        self.update(index, stage="done", reason=reason, error=error)
        if self.done:
            self.finished.set()

    def take(self, index: int, event: Event, *, memory_bytes: int | None = None) -> None:
        """Note an engine's event of one lane."""
        if isinstance(event, Started):
            self.update(index, stage="prefill", prompt_tokens=event.prompt_tokens, cached_tokens=event.cached_tokens)
        elif isinstance(event, Delta):
            self._write(index, event)
        else:
            self._finish(index, event, memory_bytes)

    def _write(self, index: int, event: Delta) -> None:
        lane = self.lanes[index]
        paces = lane.paces
        if event.decode_s is not None and len(paces) < MAX_PACES:
            paces = (*paces, Pace(tokens=event.completion_tokens, decode_s=event.decode_s))
        self.update(
            index,
            stage="writing",
            text=lane.text + event.text,
            completion_tokens=event.completion_tokens,
            decode_s=event.decode_s,
            ttft_s=event.ttft_s,
            paces=paces,
        )

    def _finish(self, index: int, event: Finished, memory_bytes: int | None) -> None:
        self.update(
            index,
            text=event.text,
            completion_tokens=event.completion_tokens,
            timings=event.timings,
            memory_bytes=memory_bytes,
        )
        if event.timings.ttft_s is not None:
            self.update(index, ttft_s=event.timings.ttft_s)
        self.end(index, event.reason, error=event.error)
