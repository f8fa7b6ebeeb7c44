"""The llama.cpp engine: continuous batching over sequences, every second accounted for.

A step decodes one token for every reply that is being written, then reads one chunk of one waiting prompt. The two are
separate calls, so that a prefill is never counted in anybody's decode rate. Each sequence (a slot) keeps its KV cache
after the reply: a chat that goes on finds it and reads only what is new.
"""

import hashlib
import math
import time
from collections import deque
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import (
    Engine,
    EngineError,
    Event,
    FinishReason,
    LoadOptions,
    ModelInfo,
    Request,
)
from benchmarks.engine.ends import Ends
from benchmarks.engine.machine import refuse_if_too_large, usable_threads
from benchmarks.engine.native.binding import NativeModel, system_info
from benchmarks.engine.native.prompt_tokens import PromptReader
from benchmarks.engine.native.sampler import NativeSampler, check_schema
from benchmarks.engine.native.scoring import Scorer
from benchmarks.engine.native.slots import GrowingReply, Slot, choose_slot, shareable
from benchmarks.engine.reply_text import LOOK_EVERY, ReplyText, in_a_loop
from data.files import model_files
from data.gguf.facts import why_no_text
from data.gguf.header import GGUFError
from data.gguf.split import read_model

_SMALLEST_CHUNK = 16
_ALONE_PREFILL_S = 30.0
"""A chunk that nobody else waits for is as long as a batch, but never silent for minutes."""
_PREFILL_S = 0.25
"""Beside replies of the same model alone, a prompt is read in chunks of so many seconds: fewer of them are idle."""
_WORTH_COPYING = 8
"""Tokens; copying a sequence's cache takes about as long as reading a few."""


class LlamaEngine(Engine):
    """See the module docstring; implements `benchmarks.engine.contract.Engine`. `cancel` may be called from any thread.

    Raises:
        EngineError: Not a usable GGUF, no text generator, or it would not fit in the available memory.
    """

    def __init__(self, path: Path, options: LoadOptions) -> None:
        path = model_files(path)[0]
        try:
            header = read_model(path)
        except (GGUFError, OSError) as error:
            raise EngineError(f"{path.name}: {error}") from None
        if problem := why_no_text(header):
            raise EngineError(f"{path.name}: {problem}")
        refuse_if_too_large(path, header, options)
        threads = options.threads or usable_threads()
        adapter = path if header.weights else None
        self._model = NativeModel(header.weights or path, options, threads=threads, adapter=adapter)
        self._weights = header.weights
        self._prompts = PromptReader(self._model, header.metadata)
        template = self._prompts.template
        self._slots = [Slot(index=i) for i in range(options.sequences)]
        self._scorer = Scorer(self._model, self._prompts, self._slots)
        self._bulk = options.bulk
        self._queue: deque[GrowingReply] = deque()
        self._next_id = 1
        self._prefilling: GrowingReply | None = None
        self._prefill_tok_per_s: float | None = None
        self._info = ModelInfo(
            description=self._model.description,
            context_tokens=self._model.context_tokens,
            sequences=options.sequences,
            threads=threads,
            load_s=self._model.load_s,
            vocabulary_size=self._model.vocabulary_size,
            template_sha256=hashlib.sha256((template.source if template else "").encode()).hexdigest(),
            template_switches=template.switches if template else (),
            system_info=system_info(),
            architecture=header.architecture,
            parameters=self._model.parameters,
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._queue) or any(slot.reply for slot in self._slots)

    @property
    def files(self) -> tuple[Path, ...]:
        return (self._weights,) if self._weights else ()

    def submit(self, request: Request) -> int:
        rendered, prompt = self._prompts.read(request)
        if request.sampling.json_schema:
            check_schema(self._model, request.sampling.json_schema)  # refused before it waits for its turn
        if len(prompt) >= self._info.context_tokens:
            raise EngineError(
                f"the prompt has {len(prompt):,} tokens, the context holds {self._info.context_tokens:,}; "
                "shorten the prompt or start a new chat"
            )
        reply = GrowingReply(
            id=self._next_id,
            request=request,
            rendered=rendered,
            prompt=prompt,
            text=ReplyText(request.sampling.stop),
            submitted_at=time.perf_counter(),
        )
        self._next_id += 1
        self._queue.append(reply)
        return reply.id

    def step(self, budget_s: float, *, contended: bool = False) -> list[Event]:
        deadline = time.perf_counter() + budget_s
        events: list[Event] = []
        while self.busy:
            events += self._end_early()
            events += self._admit()
            if not (self._bulk and self._waiting_for_prefill()):
                events += self._decode_step()
            events += self._prefill_chunk(budget_s, contended=contended)
            if time.perf_counter() >= deadline:
                break
        return events

    def cancel(self, request_id: int) -> None:
        for reply in [*self._queue, *(slot.reply for slot in self._slots)]:
            if reply and reply.id == request_id:
                reply.cancelled = True
                if self._prefilling is reply:
                    self._model.request_abort()

    def score(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        return self._idle_scorer().score(token_ids)

    def distributions(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        return self._idle_scorer().distributions(token_ids)

    def score_ends(self, question: Ends) -> list[float]:
        return self._idle_scorer().ends(question)

    def tokenize(self, request: Request) -> list[int]:
        return self._prompts.read(request)[1]

    def close(self) -> None:
        for slot in self._slots:
            if slot.reply and slot.reply.sampler:
                slot.reply.sampler.close()
            slot.reply = None
        self._queue.clear()
        self._model.close()

    def _idle_scorer(self) -> Scorer:
        if self.busy:
            raise EngineError("scoring needs an idle engine; wait for the replies in progress")
        return self._scorer

    def _admit(self) -> list[Event]:
        events: list[Event] = []
        while self._queue and (free := [slot for slot in self._slots if slot.reply is None]):
            if self._bulk and self._waiting_for_prefill():
                break  # what is being read may be the beginning of the next one, too
            reply = self._queue.popleft()
            slot, shared = choose_slot(free, reply.prompt, cold=reply.request.cold)
            if self._bulk and not reply.request.cold:
                shared = self._share_beginning(slot, reply.prompt)
            if not self._model.forget(slot.index, shared):  # a recurrent model's state is one piece
                self._model.forget(slot.index, shared := 0)
            slot.keep(shared)
            slot.reply = reply
            reply.sampler = NativeSampler(self._model, reply.request.sampling, reply.prompt)
            events.append(reply.started(cached_tokens=shared))
        return events

    def _share_beginning(self, slot: Slot, prompt: list[int]) -> int:
        """Bring the longest shareable beginning of the prompt into the slot's KV cache; returns its tokens."""
        chunk = self._model.batch_tokens
        own = shareable(slot, prompt, chunk)
        best = max(self._slots, key=lambda other: shareable(other, prompt, chunk))
        shared = shareable(best, prompt, chunk)
        if shared < own + _WORTH_COPYING:
            return own
        self._model.copy_cache(best.index, slot.index)
        slot.take(best)
        return shared

    def _waiting_for_prefill(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.reply and slot.reply.next_token is None]

    def _decode_step(self) -> list[Event]:
        """One token for every reply that has one to go on from."""
        active = [(slot, slot.reply) for slot in self._slots if slot.reply and slot.reply.next_token is not None]
        if not active:
            return []
        started = time.perf_counter()
        tokens = [reply.next_token or 0 for _, reply in active]
        positions = [len(slot.tokens) for slot, _ in active]
        if not self._model.decode(tokens, positions, [slot.index for slot, _ in active], [True] * len(active)):
            for (slot, _), position in zip(active, positions, strict=True):  # a late abort meant for a prefill
                self._model.forget(slot.index, position)
            return []
        drawn = [reply.sampler.sample(i) if reply.sampler else 0 for i, (_, reply) in enumerate(active)]
        elapsed = time.perf_counter() - started
        events: list[Event] = []
        for index, ((slot, reply), token, next_token) in enumerate(zip(active, tokens, drawn, strict=True)):
            slot.add([token])
            reply.step_s.append(elapsed)
            reply.max_batch = max(reply.max_batch, len(active))
            events += self._accept(slot, reply, next_token, index)
        return events

    def _prefill_chunk(self, budget_s: float, *, contended: bool) -> list[Event]:
        """Read one chunk of the oldest waiting prompt; after its last one, the first token is drawn."""
        waiting = self._waiting_for_prefill()
        slot = min(waiting, key=lambda slot: slot.reply.id if slot.reply else 0, default=None)
        if slot is None or slot.reply is None or slot.reply.cancelled:
            return []
        reply, done = slot.reply, len(slot.tokens)
        alone = not contended and (self._bulk or sum(other.reply is not None for other in self._slots) == 1)
        size = self._chunk_tokens(_ALONE_PREFILL_S if alone else budget_s if contended else _PREFILL_S)
        chunk = reply.prompt[done : done + size]
        last = done + len(chunk) == len(reply.prompt)
        started = time.perf_counter()
        self._prefilling = reply
        outputs = [False] * (len(chunk) - 1) + [last]
        ok = self._model.decode(chunk, range(done, done + len(chunk)), [slot.index] * len(chunk), outputs)
        self._prefilling = None
        if not ok:
            self._model.forget(slot.index, done)
            return []
        slot.add(chunk)
        first = reply.sampler.sample(len(chunk) - 1) if last and reply.sampler else None
        elapsed = time.perf_counter() - started
        reply.prefill_tokens += len(chunk)
        reply.prefill_s += elapsed
        self._prefill_tok_per_s = len(chunk) / elapsed
        if first is None:
            return []
        reply.first_token_at = time.perf_counter()
        return self._accept(slot, reply, first, len(chunk) - 1)

    def _chunk_tokens(self, budget_s: float) -> int:
        """As many prompt tokens as fit in the budget, by the rate seen last; a multiple of 16."""
        wanted = (self._prefill_tok_per_s or 64.0) * min(budget_s, 60.0)
        return max(_SMALLEST_CHUNK, min(self._model.batch_tokens, math.floor(wanted / 16) * 16))

    def _accept(self, slot: Slot, reply: GrowingReply, token: int, index: int) -> list[Event]:
        """Take a token drawn at this place of the batch into the reply, and end the reply where it is due."""
        sampling = reply.request.sampling
        if self._model.is_end(token) and not sampling.ignore_eos:
            return self._finish(slot, reply, "stop")
        reply.accept(token, self._model, index)
        events: list[Event] = []
        if text := reply.text.push(self._model.piece(token)):
            events.append(reply.delta(text))
        if reply.text.stopped:
            return [*events, *self._finish(slot, reply, "stop")]
        # The token just drawn still needs a place in the cache before another can follow.
        full = len(slot.tokens) + 1 >= self._info.context_tokens
        if reply.completion_tokens >= sampling.max_tokens or full:
            return [*events, *self._finish(slot, reply, "length")]
        if sampling.end_loops and reply.completion_tokens % LOOK_EVERY == 0 and in_a_loop("".join(reply.written)):
            return [*events, *self._finish(slot, reply, "loop")]
        return events

    def _end_early(self) -> list[Event]:
        """End what was cancelled or has reached its deadline; a prompt that is being read, after its chunk."""
        events: list[Event] = []
        for reply in list(self._queue):
            if reason := reply.over:
                self._queue.remove(reply)
                events += self._finish(None, reply, reason)
        for slot in self._slots:
            if slot.reply and (reason := slot.reply.over):
                events += self._finish(slot, slot.reply, reason)
        return events

    def _finish(self, slot: Slot | None, reply: GrowingReply, reason: FinishReason) -> list[Event]:
        events: list[Event] = []
        if rest := reply.text.finish():
            events.append(reply.delta(rest))
        if reply.sampler:
            reply.sampler.close()
            reply.sampler = None
        if slot:
            slot.reply, slot.used_at = None, time.perf_counter()
        return [*events, reply.finished(reason)]
