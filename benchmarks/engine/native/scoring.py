"""Log-probabilities instead of replies: of given tokens, of the whole vocabulary, of several ends of one beginning."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import EngineError
from benchmarks.engine.ends import Ends
from benchmarks.engine.logprobs import log_sum
from benchmarks.engine.native.binding import NativeModel
from benchmarks.engine.native.prompt_tokens import PromptReader
from benchmarks.engine.native.slots import Slot, common_prefix

_CHUNK = 128
_Logits = npt.NDArray[np.float32]


class Scorer:
    """Scores with the sequences of an idle engine.

    Args:
        slots: What it leaves in them is noted there, as replies do.
    """

    def __init__(self, model: NativeModel, prompts: PromptReader, slots: Sequence[Slot]) -> None:
        self._model, self._prompts, self._slots = model, prompts, slots

    def score(self, token_ids: list[int]) -> _Logits:
        pairs = zip(self._logits_after(token_ids), token_ids[1:])
        return np.array([_log_probability(logits, token) for logits, token in pairs], dtype=np.float32)

    def distributions(self, token_ids: list[int]) -> _Logits:
        return np.stack([logits - np.float32(log_sum(logits)) for logits in self._logits_after(token_ids)])

    def ends(self, question: Ends) -> list[float]:
        """What all ends begin with is computed once, and once for questions that begin alike; the rest in batches."""
        pairs = [self._prompts.pair(question.beginning, end) for end in question.ends]
        for ids, start in pairs:
            if start == len(ids) or not start:
                raise EngineError("an end or the beginning is empty; scoring needs both")
            self._check(ids)
        shared = min(start for _, start in pairs)
        for ids, _ in pairs:
            shared = min(shared, common_prefix(pairs[0][0], ids))
        first = self._read_beginning(pairs[0][0][: max(1, shared)])
        found: list[float] = []
        while len(found) < len(pairs):
            found += self._group(pairs[len(found) :], max(1, shared), first)
        return found

    def _read_beginning(self, ids: list[int]) -> _Logits:
        """Bring the first sequence to these tokens; the logits after the last one."""
        slot = self._slots[0]
        known = min(common_prefix(slot.tokens, ids), len(ids) - 1)
        if not self._model.forget(slot.index, known):
            self._model.forget(slot.index, known := 0)
        slot.keep(known)
        for start in range(known, len(ids), self._model.batch_tokens):
            chunk = ids[start : start + self._model.batch_tokens]
            outputs = [False] * (len(chunk) - 1) + [True]
            self._model.decode(chunk, range(start, start + len(chunk)), [slot.index] * len(chunk), outputs)
            slot.add(chunk)
        return self._model.logits(len(chunk) - 1).copy()

    def _group(self, pairs: Sequence[tuple[list[int], int]], shared: int, first: _Logits) -> list[float]:
        """The first few, which fit into one batch, each in a sequence that has the beginning."""
        lanes = self._slots[1:] or self._slots[:1]
        rests = [ids[shared:-1] for ids, _ in pairs[: len(lanes)]]  # nothing follows the last token
        fits = 1
        while fits < len(rests) and sum(map(len, rests[: fits + 1])) <= self._model.batch_tokens:
            fits += 1
        if len(rests[0]) > self._model.batch_tokens:
            raise EngineError(f"an end of {len(rests[0]):,} tokens; at most {self._model.batch_tokens:,} are scored")
        rests, lanes = rests[:fits], lanes[:fits]
        places = [(lane.index, shared + at, token) for lane, rest in zip(lanes, rests) for at, token in enumerate(rest)]
        if places:
            self._lend_beginning([lane for lane, rest in zip(lanes, rests) if rest])
            sequences, positions, tokens = zip(*places)
            self._model.decode(tokens, positions, sequences, [True] * len(places))
        found, row = [], 0
        for (ids, start), rest in zip(pairs, rests):
            logits = [first, *(self._model.logits(row + at) for at in range(len(rest)))]
            found.append(sum(_log_probability(logits[at - shared], ids[at]) for at in range(start, len(ids))))
            row += len(rest)
        for lane in lanes:
            self._model.forget(lane.index, shared if lane is self._slots[0] else 0)
        return found

    def _lend_beginning(self, lanes: Sequence[Slot]) -> None:
        for lane in lanes:
            if lane is not self._slots[0]:
                self._model.copy_cache(self._slots[0].index, lane.index)
                lane.keep(0)

    def _logits_after(self, token_ids: list[int]) -> Iterator[_Logits]:
        """Logits after each token in turn, each valid until the next; the KV cache is empty afterwards."""
        self._check(token_ids)
        slot = self._slots[0]
        self._model.forget(slot.index, 0)
        slot.keep(0)
        size = min(_CHUNK, self._model.batch_tokens)
        for start in range(0, len(token_ids), size):
            chunk = token_ids[start : start + size]
            positions = range(start, start + len(chunk))
            self._model.decode(chunk, positions, [slot.index] * len(chunk), [True] * len(chunk))
            yield from (self._model.logits(index) for index in range(len(chunk)))
        self._model.forget(slot.index, 0)

    def _check(self, token_ids: list[int]) -> None:
        if len(token_ids) < 2:
            raise EngineError(f"scoring needs at least 2 tokens, got {len(token_ids)}")
        if len(token_ids) > self._model.context_tokens:
            raise EngineError(f"{len(token_ids):,} tokens to score, the context holds {self._model.context_tokens:,}")
        self._prompts.check_vocabulary(token_ids)


def _log_probability(logits: _Logits, token: int) -> float:
    return float(logits[token]) - log_sum(logits)
