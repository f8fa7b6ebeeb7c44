"""What a comparison looks like from outside: one request and one state per lane."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.engine.contract import FinishReason, Request, Timings

Stage = Literal["queued", "fetching", "loading", "waiting", "prefill", "writing", "done"]


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
        done_bytes, total_bytes: Progress while fetching; the total may be unknown.
        decode_s: Own decode seconds so far; `completion_tokens - 1` tokens were decoded in it.
        paces: Moments about ten times a second, for a chart of the rate.
        memory_bytes: Resident memory of the worker at the end, all loaded models together.
    """

    model_id: str
    seed: int = 0
    stage: Stage = "queued"
    done_bytes: int = 0
    total_bytes: int | None = None
    prompt_tokens: int | None = None
    cached_tokens: int = 0
    text: str = ""
    completion_tokens: int = 0
    decode_s: float | None = None
    ttft_s: float | None = None
    paces: tuple[Pace, ...] = ()
    memory_bytes: int | None = None
    timings: Timings | None = None
    reason: FinishReason | None = None
    error: str | None = None

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
    """A comparison as it is now. `place` counts from 1 while it waits for its turn, then it is None."""

    id: str
    lanes: tuple[Lane, ...]
    place: int | None

    @property
    def done(self) -> bool:
        return all(lane.done for lane in self.lanes)
