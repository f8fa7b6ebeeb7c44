"""Replies on their way, and the sequences of a context that they are written in."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import Delta, Finished, FinishReason, Request, Started, Timings
from benchmarks.engine.logprobs import TokenLogprob, likeliest, log_sum
from benchmarks.engine.native.binding import NativeModel
from benchmarks.engine.native.sampler import NativeSampler
from benchmarks.engine.reply_text import ReplyText

_REUSE_SHARE = 0.9


_TILE_ROWS = 64
"""From so many tokens in one call on, llama.cpp's flash attention on a CPU works in tiles, which round differently."""
_ROWS_AT_ONCE = 4


@dataclass(kw_only=True)
class Slot:
    """A sequence of the context and the tokens in its KV cache.

    Attributes:
        kernels: Of each token, with which of llama.cpp's kernels it was computed; see `kernels_of`.
    """

    index: int
    tokens: list[int] = field(default_factory=list)
    kernels: bytes = b""
    used_at: float = 0.0
    reply: "GrowingReply | None" = None

    def add(self, tokens: list[int]) -> None:
        """Tokens that were computed in one call."""
        self.tokens += tokens
        self.kernels += kernels_of(len(tokens), len(tokens))

    def keep(self, count: int) -> None:
        """Its first tokens, and no more."""
        self.tokens, self.kernels = self.tokens[:count], self.kernels[:count]

    def take(self, other: "Slot") -> None:
        """What another has."""
        self.tokens, self.kernels = list(other.tokens), other.kernels


@dataclass(kw_only=True)
class GrowingReply:
    id: int
    request: Request
    rendered: str
    prompt: list[int]
    text: ReplyText
    submitted_at: float
    sampler: NativeSampler | None = None
    prefill_tokens: int = 0
    prefill_s: float = 0.0
    first_token_at: float | None = None
    next_token: int | None = None
    completion_tokens: int = 0
    written: list[str] = field(default_factory=list)
    step_s: list[float] = field(default_factory=list)
    max_batch: int = 0
    cancelled: bool = False
    accepted_at: list[float] = field(default_factory=list)
    fresh_logprobs: list[TokenLogprob] = field(default_factory=list)

    def accept(self, token: int, model: NativeModel, index: int) -> None:
        """Take the token that was drawn at this place of the batch."""
        self.completion_tokens += 1
        self.next_token = token
        self.accepted_at.append(time.perf_counter())
        if self.request.logprobs is not None:
            self.fresh_logprobs.append(_told(model, model.logits(index), token, self.request.logprobs))

    def started(self, *, cached_tokens: int) -> Started:
        fingerprint = self.rendered or " ".join(map(str, self.prompt))
        return Started(
            id=self.id,
            prompt_tokens=len(self.prompt),
            cached_tokens=cached_tokens,
            prompt_sha256=hashlib.sha256(fingerprint.encode(errors="replace")).hexdigest(),
        )

    def delta(self, text: str) -> Delta:
        """Take more text into the reply."""
        self.written.append(text)
        logprobs, self.fresh_logprobs = tuple(self.fresh_logprobs), []
        return Delta(
            id=self.id,
            text=text,
            completion_tokens=self.completion_tokens,
            decode_s=sum(self.step_s),
            ttft_s=self.ttft_s,
            logprobs=logprobs,
        )

    def finished(self, reason: FinishReason) -> Finished:
        return Finished(
            id=self.id,
            reason=reason,
            text="".join(self.written),
            completion_tokens=self.completion_tokens,
            timings=self._timings(),
        )

    @property
    def over(self) -> FinishReason | None:
        """Why it is to end whatever its text is; None where it may go on."""
        if self.cancelled:
            return "cancelled"
        deadline_s = self.request.sampling.deadline_s
        late = deadline_s is not None and time.perf_counter() - self.submitted_at >= deadline_s
        return "deadline" if late else None

    @property
    def ttft_s(self) -> float | None:
        return self.first_token_at - self.submitted_at if self.first_token_at else None

    def _timings(self) -> Timings:
        steps, gaps = np.array(self.step_s), np.diff(self.accepted_at)
        return Timings(
            prompt_tokens=len(self.prompt),
            prefill_tokens=self.prefill_tokens,
            prefill_s=self.prefill_s,
            decode_tokens=len(self.step_s),
            decode_s=float(steps.sum()),
            ttft_s=self.ttft_s,
            total_s=time.perf_counter() - self.submitted_at,
            itl_p50_s=float(np.quantile(steps, 0.5)) if len(steps) else None,
            itl_p95_s=float(np.quantile(steps, 0.95)) if len(steps) else None,
            gap_p50_s=float(np.quantile(gaps, 0.5)) if len(gaps) else None,
            gap_p95_s=float(np.quantile(gaps, 0.95)) if len(gaps) else None,
            max_batch=self.max_batch or None,
        )


def _told(model: NativeModel, logits: npt.NDArray[np.float32], token: int, count: int) -> TokenLogprob:
    whole = log_sum(logits)
    top = tuple((model.piece(each), float(logits[each]) - whole) for each in likeliest(logits, count))
    return TokenLogprob(token=model.piece(token), logprob=float(logits[token]) - whole, top=top)


def choose_slot(free: list[Slot], prompt: list[int], *, cold: bool) -> tuple[Slot, int]:
    """The slot for a prompt, and how many of its tokens are already in that slot's KV cache.

    A slot is reused where the prompt goes on from it, or repeats it; a mere common beginning (every chat shares the
    system prompt) is not worth another chat's cache. At least the last token is always computed: it gives the logits.
    """
    if not cold:
        shared, slot = max(((common_prefix(slot.tokens, prompt), slot) for slot in free), key=lambda pair: pair[0])
        shared = min(shared, len(prompt) - 1)
        if shared and shared >= _REUSE_SHARE * min(len(slot.tokens), len(prompt) - 1):
            return slot, shared
    return min(free, key=lambda slot: (bool(slot.tokens), slot.used_at, slot.index)), 0


def kernels_of(count: int, chunk: int) -> bytes:
    """A number for each of so many tokens that are read in chunks: tokens with other numbers are rounded differently.

    A single token is multiplied as a vector, several as a matrix, but for what is left over of fours in some types of
    weights; and many have their attention worked out in tiles. How many of the same kind there are changes nothing
    (docs/log.md, "Batched and alone").
    """
    sizes = [min(chunk, count - start) for start in range(0, count, max(1, chunk))]
    return b"".join(_kernels(size) for size in sizes)


def _kernels(size: int) -> bytes:
    """Of tokens that are computed in one call."""
    single, left_over, fours, in_tiles = 0, 1, 2, 3
    if size == 1:
        return bytes([single])
    tiles, rest = in_tiles * (size >= _TILE_ROWS), size % _ROWS_AT_ONCE
    return bytes([fours + tiles]) * (size - rest) + bytes([left_over + tiles]) * rest


def shareable(known: Slot, prompt: list[int], chunk: int) -> int:
    """Tokens of the prompt's beginning that may be taken from another's cache without changing a bit of the answer.

    They are the same, were computed with the same kernels as if the prompt were read alone, and so is then the rest.
    """
    size = len(prompt)
    alone = kernels_of(size, chunk)
    same = min(common_prefix(known.tokens, prompt), common_prefix(known.kernels, alone), size - 1)
    most = (same, min(same, size - 2), min(same, size - _TILE_ROWS), same - same % chunk)
    fewer = [count - count % _ROWS_AT_ONCE for count in most]
    fitting = (count for count in fewer if count > 0 and kernels_of(size - count, chunk) == alone[count:])
    return next(fitting, 0)


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Number of leading tokens that two lists share."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
