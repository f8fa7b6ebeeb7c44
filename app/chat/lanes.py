"""One comparison in progress: a request and a state per lane, and what the engines' events make of it."""

import re
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmarks.engine.contract import Delta, Event, Finished, FinishReason, Request, Started, Timings
from benchmarks.engine.logprobs import TokenLogprob
from benchmarks.graders.visible import visible

_MAY_END_A_MARK = re.compile(r"[>\]▷]|final", re.IGNORECASE)

Stage = Literal["queued", "fetching", "room", "loading", "waiting", "prefill", "writing", "done"]


@dataclass(frozen=True, kw_only=True)
class LaneRequest:
    model_id: str
    request: Request


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How far a reply was at one moment: tokens, and the own decode seconds that they took."""

    tokens: int
    decode_s: float


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One model's side of a comparison, as it is now.

    Attributes:
        done_bytes, total_bytes: Progress while fetching; the total may be unknown. While loading, the file's size, and
            how much of it is in memory.
        needs_bytes: Memory that the model needs once it is loaded; None where that is not known.
        decode_s: Own decode seconds so far; `completion_tokens - 1` tokens were decoded in it.
        paces: Moments about ten times a second, for a chart of the rate.
        thinking_tokens, thinking_s: Tokens and seconds (to the first token and decoding) until the first trace of
            thinking ended, where the answer follows it; None before, and where there is none.
        memory_bytes: Resident memory of the worker at the end, all loaded models together.
        as_served: Another's server writes it: its seconds are compared with those of no model of this machine.
        note: What a whole reply lacks, in one line.
        logprobs: Of the tokens so far, where the request asks for them.
    """

    model_id: str
    seed: int = 0
    stage: Stage = "queued"
    done_bytes: int = 0
    total_bytes: int | None = None
    needs_bytes: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    text: str = ""
    completion_tokens: int = 0
    decode_s: float | None = None
    ttft_s: float | None = None
    thinking_tokens: int | None = None
    thinking_s: float | None = None
    paces: tuple[Pace, ...] = ()
    memory_bytes: int | None = None
    timings: Timings | None = None
    reason: FinishReason | None = None
    error: str | None = None
    as_served: bool = False
    note: str | None = None
    logprobs: tuple[TokenLogprob, ...] = ()

    @property
    def done(self) -> bool:
        return self.stage == "done"

    @property
    def decode_tok_per_s(self) -> float | None:
        """Rate over the lane's own decode time, whatever else the machine is doing."""
        if self.timings:
            return self.timings.decode_tok_per_s
        return (self.completion_tokens - 1) / self.decode_s if self.decode_s and self.completion_tokens > 1 else None

    @property
    def characters_per_s(self) -> float | None:
        """Comparable across tokenizers; the first token's characters, which the prefill gave, are left out."""
        rate = self.decode_tok_per_s
        return rate * len(self.text) / self.completion_tokens if rate and self.completion_tokens else None

    @property
    def rates(self) -> list[float]:
        """Decode tok/s between successive moments."""
        pairs = zip(self.paces, self.paces[1:], strict=False)
        return [
            (after.tokens - before.tokens) / (after.decode_s - before.decode_s)
            for before, after in pairs
            if after.decode_s > before.decode_s
        ]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A comparison as it is now.

    Attributes:
        place: From 1 while it waits for its turn; then None.
        wait_s: Seconds until its turn, by how long the last ones took; None where none has ended yet.
    """

    id: str
    lanes: tuple[Lane, ...]
    place: int | None
    wait_s: float | None = None

    @property
    def done(self) -> bool:
        return all(lane.done for lane in self.lanes)


MAX_PACES = 600


class Comparison:
    """Lanes that several threads write to; a lane that has ended never changes again.

    Attributes:
        claims: Of each lane whose model is kept in memory for it, that model.
        engine_ids: The engine's id of each lane's request, once it was submitted.
        cancelled: Lanes that the visitor has stopped, whatever they were doing.
        finished: Set when the last lane ends.

    Args:
        on_change: Called after each change of a lane, on the thread that brings it.
    """

    def __init__(
        self,
        visitor: str,
        requests: Sequence[LaneRequest],
        touched_at: float,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.id = uuid.uuid4().hex
        self.visitor = visitor
        self.requests = tuple(requests)
        self.lanes = [Lane(model_id=each.model_id, seed=each.request.sampling.seed) for each in requests]
        self.queued_at = self.touched_at = touched_at
        self.claims: dict[int, str] = {}
        self.engine_ids: list[int | None] = [None] * len(self.requests)
        self.cancelled = [False] * len(self.requests)
        self.finished = threading.Event()
        self._lock, self._on_change = threading.RLock(), on_change

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
        self._on_change()

    def end(self, index: int, reason: FinishReason, *, error: str | None = None, **changes: object) -> None:
        """The lane's last change, in one step: who looks sees all of it, or nothing."""
        self.update(index, stage="done", reason=reason, error=error, **changes)
        if self.done:
            self.finished.set()

    def take(self, index: int, event: Event, *, memory_bytes: int | None = None) -> None:
        """Note an engine's event of one lane."""
        if isinstance(event, Started):
            self.update(
                index,
                stage="prefill",
                prompt_tokens=event.prompt_tokens,
                cached_tokens=event.cached_tokens,
                as_served=event.as_served,
            )
        elif isinstance(event, Delta):
            self._write(index, event)
        else:
            self._finish(index, event, memory_bytes)

    def _write(self, index: int, event: Delta) -> None:
        lane = self.lanes[index]
        text, paces = lane.text + event.text, lane.paces
        if event.decode_s is not None and len(paces) < MAX_PACES:
            paces = (*paces, Pace(tokens=event.completion_tokens, decode_s=event.decode_s))
        self.update(
            index,
            stage="writing",
            text=text,
            completion_tokens=event.completion_tokens,
            decode_s=event.decode_s,
            ttft_s=event.ttft_s,
            paces=paces,
            logprobs=lane.logprobs + event.logprobs,
            **_end_of_thinking(lane, event, text),
        )

    def _finish(self, index: int, event: Finished, memory_bytes: int | None) -> None:
        first = event.timings.ttft_s
        self.end(
            index,
            event.reason,
            error=event.error,
            text=event.text,
            completion_tokens=event.completion_tokens,
            timings=event.timings,
            memory_bytes=memory_bytes,
            note=event.note,
            **({} if first is None else {"ttft_s": first}),
            **({"prompt_tokens": event.timings.prompt_tokens} if self.lanes[index].as_served else {}),
        )


def _end_of_thinking(lane: Lane, event: Delta, text: str) -> dict[str, float]:
    """What the trace took that ends within this event, if one does; looked for only where a mark may have ended.

    An event may bring several tokens. Those before the mark are told from those after it by their characters.
    """
    if lane.thinking_tokens is not None or not _MAY_END_A_MARK.search(event.text):
        return {}
    said = visible(text)
    if not said.thinking or len(said.answer) > len(event.text) or not visible(f"{text}\nanswer").answer:
        return {}
    share = len(said.answer) / len(event.text)
    fresh = event.completion_tokens - lane.completion_tokens
    known = [each for each in (event.ttft_s, event.decode_s) if each is not None]
    late_s = share * ((event.decode_s or 0.0) - (lane.decode_s or 0.0))
    found = {"thinking_tokens": event.completion_tokens - round(share * fresh)}
    return found | ({"thinking_s": sum(known) - late_s} if known else {})
