"""How the next token is drawn: penalty, top-k, top-p, min-p, temperature, in llama.cpp's order, within a grammar."""

import ctypes
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.engine.contract import EngineError, Sampling
from benchmarks.engine.native.binding import NativeModel
from benchmarks.engine.native.weights import c

PENALTY_WINDOW = 64
_LIKELY = 64
"""So many of the likeliest tokens are tried against a grammar before all of the vocabulary is."""
_MOST_GRAMMAR = 200_000


class NativeSampler:
    """Draws the tokens of one reply.

    Args:
        recent: The prompt's tokens, for the repeat penalty.

    Raises:
        EngineError: The JSON schema cannot be made into a grammar.
    """

    def __init__(self, model: NativeModel, sampling: Sampling, recent: Sequence[int]) -> None:
        self._model = model
        self._grammar = _Grammar(model, sampling.json_schema) if sampling.json_schema else None
        # Without a penalty the most likely token is numpy's argmax: a chain would first copy the whole vocabulary.
        self._chain = None
        if sampling.temperature == 0 and sampling.repeat_penalty == 1:
            return
        self._chain = c.llama_sampler_chain_init(c.llama_sampler_chain_default_params())
        for link in _links(sampling, model.vocabulary_size):
            c.llama_sampler_chain_add(self._chain, link)
        for token in recent[-PENALTY_WINDOW:]:
            c.llama_sampler_accept(self._chain, token)

    def sample(self, index: int) -> int:
        """Token drawn from the logits of the batch's token `index`."""
        token = self._draw(index)
        if self._grammar is None:
            return token
        if not self._grammar.allows(token):
            other = self._grammar.draw(self._model, index, self._chain)
            if other is None:
                return self._model.end_token
            token = other
        self._grammar.accept(token)
        return token

    def _draw(self, index: int) -> int:
        if self._chain is None:
            return int(self._model.logits(index).argmax())
        return self._model.sample_with(self._chain, index)

    def close(self) -> None:
        if self._chain is not None:
            c.llama_sampler_free(self._chain)
            self._chain = None
        if self._grammar is not None:
            self._grammar.close()
            self._grammar = None


class _Grammar:
    """What may come next. llama.cpp ends the process where a token is accepted that may not: ask first."""

    def __init__(self, model: NativeModel, schema: str) -> None:
        self._sampler = model.grammar(gbnf_of(schema))

    def allows(self, token: int) -> bool:
        return bool(self._allowed([token], [0.0]))

    def draw(self, model: NativeModel, index: int, chain: Any) -> int | None:
        """The token that the chain draws of those that may come; without a chain the likeliest. None where none may."""
        logits = model.logits(index)
        likely = np.argpartition(logits, -_LIKELY)[-_LIKELY:] if logits.size > _LIKELY else np.arange(logits.size)
        allowed = self._allowed(likely, logits[likely]) or self._allowed(np.arange(logits.size), logits)
        if not allowed:
            return None
        if chain is None:
            return max(allowed, key=lambda each: each[1])[0]
        array, _ = _array([token for token, _ in allowed], [logit for _, logit in allowed])
        c.llama_sampler_apply(chain, ctypes.byref(array))
        return int(array.data[max(0, array.selected)].id)

    def _allowed(self, tokens: Any, logits: Any) -> list[tuple[int, float]]:
        array, kept = _array(tokens, logits)
        c.llama_sampler_apply(self._sampler, ctypes.byref(array))
        left = kept[: array.size]
        left = left[left["logit"] > -np.inf]
        return list(zip(left["id"].tolist(), left["logit"].tolist(), strict=True))

    def accept(self, token: int) -> None:
        c.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        c.llama_sampler_free(self._sampler)


_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama.cpp's llama_token_data."""


def _array(tokens: Any, logits: Any) -> tuple[Any, Any]:
    """As llama.cpp takes candidates, and what must be kept alive as long."""
    kept = np.zeros(len(tokens), dtype=_CANDIDATE)
    kept["id"], kept["logit"] = tokens, logits
    data = kept.ctypes.data_as(ctypes.POINTER(c.llama_token_data))
    return c.llama_token_data_array(data=data, size=len(tokens), selected=-1, sorted=False), kept


def check_schema(model: NativeModel, schema: str) -> None:
    """Raises:
    EngineError: A reply cannot be held to this schema.
    """
    _Grammar(model, schema).close()


@lru_cache(maxsize=16)
def gbnf_of(schema: str) -> str:
    """A JSON schema as llama.cpp's grammar, by llama-cpp-python's own converter; nothing is fetched.

    Raises:
        EngineError: The converter cannot, or it would be too large.
    """
    from llama_cpp.llama_grammar import json_schema_to_gbnf

    try:
        grammar = json_schema_to_gbnf(schema)
    except Exception as error:  # of a converter that says what it lacks in many ways
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise EngineError(f"the JSON schema cannot be made into a grammar: {reason}") from None
    if len(grammar) > _MOST_GRAMMAR:
        raise EngineError(f"the JSON schema makes {len(grammar):,} characters of grammar; at most {_MOST_GRAMMAR:,} go")
    return str(grammar)


def _links(sampling: Sampling, vocabulary_size: int) -> list[object]:
    links = []
    if sampling.repeat_penalty != 1:
        links.append(c.llama_sampler_init_penalties(vocabulary_size, PENALTY_WINDOW, sampling.repeat_penalty, 0.0, 0.0))
    if sampling.temperature == 0:
        return [*links, c.llama_sampler_init_greedy()]
    if sampling.top_k:
        links.append(c.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1:
        links.append(c.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p:
        links.append(c.llama_sampler_init_min_p(sampling.min_p, 1))
    return [*links, c.llama_sampler_init_temp(sampling.temperature), c.llama_sampler_init_dist(sampling.seed)]
