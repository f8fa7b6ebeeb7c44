"""A server's reply as it grows: what it has told so far, and what was clocked here."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.engine.contract import Finished, FinishReason, Request, Timings
from benchmarks.engine.logprobs import TokenLogprob
from benchmarks.engine.served.piece import Piece
from data.records import fits

NO_USAGE = "the server does not tell its tokens; pieces of the stream are counted in their place"

_MOST_TOLD = 10**9
"""Tokens, or milliseconds, that a server may tell of one reply."""


@dataclass(kw_only=True)
class GrowingReply:
    """One request on its way; `over` is set once its end is told, whatever its thread still does."""

    id: int
    request: Request
    submitted_at: float
    begun_at: float | None = None
    written: list[str] = field(default_factory=list)
    characters: int = 0
    logprobs: list[TokenLogprob] = field(default_factory=list)
    seen_at: list[float] = field(default_factory=list)
    thinking: bool = False
    finish: str | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    timings: dict[str, Any] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def deadline(self) -> float | None:
        deadline_s = self.request.sampling.deadline_s
        return None if deadline_s is None else self.submitted_at + deadline_s

    @property
    def silent_since(self) -> float | None:
        """Since when nothing was written; None of one that waits for its turn."""
        return self.seen_at[-1] if self.seen_at else self.begun_at

    def take(self, piece: Piece) -> str:
        """Note what a piece brings, and return its text: thinking stands between marks, as models write it."""
        self.usage |= piece.usage or {}
        self.timings |= piece.timings or {}
        self.finish = piece.finish or self.finish
        self.logprobs += piece.logprobs
        text = piece.thinking if self.thinking or not piece.thinking else f"<think>{piece.thinking}"
        self.thinking = self.thinking or bool(piece.thinking)
        if piece.text and self.thinking:
            text, self.thinking = f"{text}</think>", False
        text += piece.text
        if text:
            self.seen_at.append(time.perf_counter())
            self.written.append(text)
            self.characters += len(text)
        return text

    @property
    def text(self) -> str:
        return "".join(self.written)

    @property
    def tokens(self) -> int:
        """As the server counts; where it does not tell, the pieces so far."""
        told = (self.usage.get("completion_tokens"), self.timings.get("predicted_n"), len(self.logprobs))
        return next((count for said in told if (count := _count(said))), len(self.seen_at))

    @property
    def ttft_s(self) -> float | None:
        return self.seen_at[0] - self.submitted_at if self.seen_at else None

    @property
    def decode_s(self) -> float | None:
        return _seconds(self.timings.get("predicted_ms")) if self.seen_at else None

    def end(self, reason: FinishReason, error: str | None = None) -> Finished:
        told = _count(self.usage.get("prompt_tokens")) is not None
        return Finished(
            id=self.id,
            reason=reason,
            text=self.text,
            completion_tokens=self.tokens,
            timings=self._timings(),
            error=error,
            note=None if told or error or not self.written else NO_USAGE,
        )

    def _timings(self) -> Timings:
        gaps = np.diff(self.seen_at)
        p50, p95 = (float(np.quantile(gaps, share)) if len(gaps) else None for share in (0.5, 0.95))
        return Timings(
            prompt_tokens=_count(self.usage.get("prompt_tokens")),
            prefill_tokens=_count(self.timings.get("prompt_n")),
            prefill_s=_seconds(self.timings.get("prompt_ms")),
            decode_tokens=max(0, self.tokens - 1) if self.decode_s is not None else None,
            decode_s=self.decode_s,
            ttft_s=self.ttft_s,
            total_s=time.perf_counter() - self.submitted_at,
            itl_p50_s=p50,
            itl_p95_s=p95,
            gap_p50_s=p50,
            gap_p95_s=p95,
        )


def _count(said: Any) -> int | None:
    """Tokens as a server counts them; None of what cannot be a count."""
    return said if fits(said, int) and 0 <= said < _MOST_TOLD else None


def _seconds(milliseconds: Any) -> float | None:
    return milliseconds / 1000 if fits(milliseconds, float) and 0 <= milliseconds < _MOST_TOLD else None
