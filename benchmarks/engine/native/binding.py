"""The thin layer over llama.cpp's C interface: load, tokenize, decode, sample. No scheduling.

The low-level bindings are used, not `llama_cpp.Llama`: that class re-detokenizes the whole reply for each token
and silently reuses the KV cache, so its rates cannot be trusted.
"""

import ctypes
import os
import re
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import EngineError, LoadOptions
from benchmarks.engine.native.weights import Weights, c, forget_errors, why
from benchmarks.engine.typed_text import ControlTokens

_CONTROL = c.LLAMA_TOKEN_ATTR_CONTROL | c.LLAMA_TOKEN_ATTR_UNKNOWN
_USER_DEFINED = c.LLAMA_TOKEN_ATTR_USER_DEFINED
_LSTRIP, _RSTRIP = c.LLAMA_TOKEN_ATTR_LSTRIP, c.LLAMA_TOKEN_ATTR_RSTRIP
_MARKER = re.compile(r"<\|\S+\|>|<｜\S+｜>")

# llama.cpp asks `abort(data)` between the nodes of a graph. `strlen` is such a function, true where the byte at
# `data` is not zero: it needs no Python, so a compute thread never waits for the interpreter's lock.
_abort_when_nonzero = ctypes.cast(ctypes.CDLL(None).strlen, c.ggml_abort_callback)


class NativeModel:
    """A model and its context; `close` frees both. One thread only, but for `request_abort`."""

    def __init__(self, path: Path, options: LoadOptions, *, threads: int, adapter: Path | None = None) -> None:
        forget_errors()
        started = time.perf_counter()
        self._ctx: Any = None
        self._batch: Any = None
        self._lora: Any = None
        self._weights = Weights.of(path)
        self._model = self._weights.model
        self._vocab = c.llama_model_get_vocab(self._model)
        trained = c.llama_model_n_ctx_train(self._model)
        self.context_tokens = min(options.context_tokens, trained) if trained > 0 else options.context_tokens
        self.batch_tokens = max(options.prefill_chunk_tokens, options.sequences)
        self.vocabulary_size: int = c.llama_vocab_n_tokens(self._vocab)
        self._abort = ctypes.create_string_buffer(2)
        self._ctx = self._open_context(options, threads)
        if not self._ctx:
            self.close()
            raise EngineError(f"{path.name}: llama.cpp cannot make a context: {why()}")
        if adapter:
            self._apply(adapter)
        self._memory = c.llama_get_memory(self._ctx)
        self._batch = c.llama_batch_init(self.batch_tokens, 0, 1)
        self._pieces: dict[int, bytes] = {}
        self._warm_up()
        self.load_s = time.perf_counter() - started

    def _open_context(self, options: LoadOptions, threads: int) -> Any:
        params = c.llama_context_default_params()
        params.n_ctx = self.context_tokens * options.sequences
        params.n_batch = params.n_ubatch = self.batch_tokens
        params.n_seq_max = options.sequences
        # A cache of its own for each sequence: with a unified one, every sequence's attention walks over the cells
        # of idle chats too, and the measured rate would depend on what other people have written.
        params.kv_unified = False
        params.n_threads = params.n_threads_batch = threads
        params.abort_callback = _abort_when_nonzero
        params.abort_callback_data = ctypes.cast(self._abort, ctypes.c_void_p)
        return c.llama_init_from_model(self._model, params)

    def _apply(self, adapter: Path) -> None:
        self._lora = c.llama_adapter_lora_init(self._model, os.fsencode(adapter))
        set_ = self._lora and c.llama_set_adapters_lora(
            self._ctx, (c.llama_adapter_lora_p_ctypes * 1)(self._lora), 1, (ctypes.c_float * 1)(1.0)
        )
        if set_ != 0:
            self.close()
            raise EngineError(f"{adapter.name}: llama.cpp cannot apply this adapter: {why()}")

    def _warm_up(self) -> None:
        """One token, so that page faults and the first graph are not in anybody's figure."""
        self.decode([0], [0], [0], [True])
        self.forget(0, 0)

    def decode(
        self, tokens: Sequence[int], positions: Sequence[int], sequences: Sequence[int], outputs: Sequence[bool]
    ) -> bool:
        """Run one batch; logits are kept where `outputs` is true. Returns False when it was aborted.

        Raises:
            EngineError: llama.cpp failed; the message holds its return code.
        """
        batch = self._batch
        batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            batch.token[i] = token
            batch.pos[i] = positions[i]
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequences[i]
            batch.logits[i] = outputs[i]
        self._abort[0] = b"\0"
        code = c.llama_decode(self._ctx, batch)
        if code not in (0, 2):
            raise EngineError(f"llama.cpp failed to decode (code {code}): {why()}")
        return bool(code == 0)

    def request_abort(self) -> None:
        """Make a running `decode` return False soon. May be called from any thread."""
        self._abort[0] = b"\1"

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """Logits of the batch's token `index`, shape (vocabulary_size,); valid until the next decode."""
        pointer = c.llama_get_logits_ith(self._ctx, index)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary_size,))

    def forget(self, sequence: int, start: int) -> bool:
        """Drop the sequence's KV cache from position `start` on; False where only the whole can be dropped."""
        return bool(c.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def copy_cache(self, source: int, target: int) -> None:
        """Give a sequence the whole KV cache of another in place of its own; it is copied before the next decode."""
        self.forget(target, 0)
        c.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of plain text: control tokens in it are text, and none is added."""
        return [token for part in self._inside_markers.split(text) for token in self._tokenize(part)]

    def _tokenize(self, text: str) -> list[int]:
        data = text.encode(errors="replace")
        size = len(data) + 8
        tokens = (c.llama_token * size)()
        count = c.llama_tokenize(self._vocab, data, len(data), tokens, size, False, False)
        if count < 0:
            raise EngineError(f"the prompt cannot be tokenized (code {count})")
        return list(tokens[:count])

    @cached_property
    def control_tokens(self) -> ControlTokens:
        """Tokens that only a template may write: control tokens, the unknown token, and markers.

        A marker looks like a control token (`<|…|>`), but older files, such as those of command-r, call it
        user-defined, which is what llama.cpp recognizes in plain text too.
        """
        kinds = self._special_tokens
        return ControlTokens(
            ids={self.token_text(token): token for token in reversed(kinds)},
            strip_before=frozenset(self.token_text(token) for token in kinds if kinds[token] & _LSTRIP),
            strip_after=frozenset(self.token_text(token) for token in kinds if kinds[token] & _RSTRIP),
        )

    @cached_property
    def _special_tokens(self) -> dict[int, int]:
        """The attributes of control tokens and markers."""
        kinds = {token: int(c.llama_vocab_get_attr(self._vocab, token)) for token in range(self.vocabulary_size)}
        return {
            token: kind
            for token, kind in kinds.items()
            if kind & _CONTROL or (kind & _USER_DEFINED and _MARKER.fullmatch(self.token_text(token)))
        }

    @cached_property
    def _inside_markers(self) -> re.Pattern[str]:
        """Matches after a marker's first character: cut there, it is text even to llama.cpp."""
        kinds = self._special_tokens
        markers = [self.token_text(token)[1:] for token in kinds if kinds[token] & _USER_DEFINED]
        return re.compile(f"(?<=<)(?={'|'.join(map(re.escape, markers))})" if markers else r"(?!)")

    def token_text(self, token: int) -> str:
        """A token as the vocabulary writes it."""
        return str(c.llama_vocab_get_text(self._vocab, token).decode(errors="replace"))

    def piece(self, token: int) -> bytes:
        """Bytes that a token adds to a reply; control tokens add none."""
        if (known := self._pieces.get(token)) is None:
            known = self._pieces[token] = self._read_piece(token)
        return known

    def _read_piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = c.llama_token_to_piece(self._vocab, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length

    def is_end(self, token: int) -> bool:
        """Whether the token ends a reply: end of turn, end of message or end of text."""
        return bool(c.llama_vocab_is_eog(self._vocab, token))

    @property
    def end_token(self) -> int:
        """One that ends a reply."""
        return int(c.llama_vocab_eos(self._vocab))

    @property
    def adds_bos(self) -> bool:
        return bool(c.llama_vocab_get_add_bos(self._vocab))

    @property
    def chat_template(self) -> str | None:
        template = c.llama_model_chat_template(self._model, None)
        return template.decode(errors="replace") if template else None

    @property
    def description(self) -> str:
        buffer = ctypes.create_string_buffer(256)
        c.llama_model_desc(self._model, buffer, 256)
        return buffer.value.decode(errors="replace")

    @property
    def parameters(self) -> int:
        return int(c.llama_model_n_params(self._model))

    def close(self) -> None:
        if self._batch is not None:
            c.llama_batch_free(self._batch)
        if self._ctx:
            c.llama_free(self._ctx)
        if self._lora:
            c.llama_adapter_lora_free(self._lora)
        if self._model:
            self._weights.release()
        self._batch = self._ctx = self._lora = self._model = None

    def sample_with(self, chain: Any, index: int) -> int:
        """Token that a chain draws from the logits of the batch's token `index`."""
        return int(c.llama_sampler_sample(chain, self._ctx, index))

    def grammar(self, text: str) -> Any:
        """A grammar's sampler.

        Raises:
            EngineError: llama.cpp does not take it.
        """
        forget_errors()
        found = c.llama_sampler_init_grammar(self._vocab, text.encode(), b"root")
        if not found:
            raise EngineError(f"llama.cpp does not take the schema's grammar: {why()}")
        return found


def system_info() -> str:
    """The CPU features that the loaded library was compiled for and found, as llama.cpp prints them."""
    return str(c.llama_print_system_info().decode(errors="replace")).strip()
