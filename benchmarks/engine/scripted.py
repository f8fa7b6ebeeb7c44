"""A deterministic stand-in for a language model: no weights, no randomness, a token is a word.

It ships with the package so that everything above the engine can be tested in milliseconds. The script is an optional
JSON file beside the model, with the same name:

    {"reply": "…", "replies": {"part of the last message": "…"}, "decode_tok_per_s": 50, "prefill_tok_per_s": 500,
     "pace_s": 0.0, "load_s": 0.0, "die_after_tokens": null, "die_on": null, "likely": ["an end"]}

Rates are reported as timings (None when not given); `pace_s` really sleeps before each token, `load_s` while loading;
`die_after_tokens` kills the process, as a crash would; `die_on` does where the last message holds this text; of several
ends of a text, `likely` ones are.
"""

import hashlib
import json
import math
import os
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import (
    Delta,
    Engine,
    EngineError,
    Event,
    Finished,
    FinishReason,
    LoadOptions,
    ModelInfo,
    Request,
    Started,
    Timings,
)
from benchmarks.engine.ends import Ends
from benchmarks.engine.logprobs import TokenLogprob
from benchmarks.engine.reply_text import LOOK_EVERY, in_a_loop

_DEFAULT_REPLY = "The quick brown fox jumps over the lazy dog . "
_VOCABULARY_SIZE = 1000


@dataclass(kw_only=True)
class _Reply:
    request: Request
    prompt: list[str]
    words: Iterator[str]
    started: bool = False
    cancelled: bool = False
    text: str = ""
    tokens: int = 0
    cached: int = 0
    stopped: FinishReason | None = field(default=None)
    submitted_at: float = field(default_factory=time.perf_counter)

    @property
    def late(self) -> bool:
        """Whether its deadline has passed."""
        deadline_s = self.request.sampling.deadline_s
        return deadline_s is not None and time.perf_counter() - self.submitted_at >= deadline_s


class ScriptedEngine(Engine):
    """See the module docstring; implements `benchmarks.engine.contract.Engine`."""

    def __init__(self, path: Path, options: LoadOptions) -> None:
        self._options = options
        self._script: dict[str, Any] = _read_script(path)
        time.sleep(self._script.get("load_s", 0.0))
        self._replies: dict[int, _Reply] = {}
        self._next_id = 1
        self._seen: list[str] = []
        self._info = ModelInfo(
            description=f"scripted: {path.name}",
            context_tokens=options.context_tokens,
            sequences=options.sequences,
            threads=options.threads or 1,
            load_s=0.0,
            vocabulary_size=_VOCABULARY_SIZE,
            template_sha256="",
            system_info="scripted",
            architecture="scripted",
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._replies)

    def submit(self, request: Request) -> int:
        prompt = self._tokenize(request)
        if not prompt:
            raise EngineError("the prompt is empty; write something first")
        if len(prompt) >= self._options.context_tokens:
            raise EngineError(
                f"the prompt has {len(prompt):,} tokens, the context holds {self._options.context_tokens:,}; "
                "shorten the prompt or start a new chat"
            )
        request_id = self._next_id
        self._next_id += 1
        self._replies[request_id] = _Reply(request=request, prompt=prompt, words=self._words(request))
        return request_id

    def step(self, budget_s: float, *, contended: bool = False) -> list[Event]:
        events: list[Event] = []
        active = list(self._replies.items())[: self._options.sequences]
        for request_id, reply in active:
            if not reply.started and not reply.cancelled:
                events.append(self._start(request_id, reply))
                continue
            events += self._advance(request_id, reply, batch=len(active))
        return events

    def cancel(self, request_id: int) -> None:
        if reply := self._replies.get(request_id):
            reply.cancelled = True

    def score(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        if len(token_ids) < 2:
            raise EngineError(f"scoring needs at least 2 tokens, got {len(token_ids)}")
        if len(token_ids) > self._options.context_tokens:
            raise EngineError(f"{len(token_ids):,} tokens to score, the context holds {self._options.context_tokens:,}")
        if bad := [token for token in token_ids if not 0 <= token < _VOCABULARY_SIZE]:
            raise EngineError(f"token id {bad[0]} is outside the vocabulary of {_VOCABULARY_SIZE:,}")
        return np.full(len(token_ids) - 1, -np.log(_VOCABULARY_SIZE), dtype=np.float32)

    def distributions(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        self.score(token_ids)
        return np.full((len(token_ids), _VOCABULARY_SIZE), -np.log(_VOCABULARY_SIZE), dtype=np.float32)

    def score_ends(self, question: Ends) -> list[float]:
        """A word a token, and those of the script's "likely" end before all others."""
        found = []
        for end in question.ends:
            tokens = list(range(len(f"{question.beginning} {end}".split())))
            if not question.beginning.strip() or not end.strip():
                raise EngineError("an end or the beginning is empty; scoring needs both")
            self.score(tokens)
            likely = end.strip() in self._script.get("likely", ())
            found.append(-len(end.split()) * (0.1 if likely else float(np.log(_VOCABULARY_SIZE))))
        return found

    def tokenize(self, request: Request) -> list[int]:
        return list(request.prompt_tokens) or list(range(len(self._tokenize(request))))

    def close(self) -> None:
        self._replies.clear()

    def _tokenize(self, request: Request) -> list[str]:
        if request.prompt_tokens:
            return [str(token) for token in request.prompt_tokens]
        return [word for message in request.messages for word in message.content.split()]

    def _words(self, request: Request) -> Iterator[str]:
        last = request.messages[-1].content if request.messages else ""
        replies: dict[str, str] = self._script.get("replies", {})
        reply = next((text for part, text in replies.items() if part in last), None)
        if reply is not None:
            yield from re.findall(r"\s*\S+", reply)
        elif "reply" in self._script:
            yield from re.findall(r"\s*\S+", self._script["reply"])
        else:
            while True:
                yield from re.findall(r"\s*\S+", " " + _DEFAULT_REPLY.strip())

    def _start(self, request_id: int, reply: _Reply) -> Started:
        reply.started = True
        if not reply.request.cold:
            shared = [a == b for a, b in zip(self._seen, reply.prompt, strict=False)]
            reply.cached = min([*shared, False].index(False), len(reply.prompt) - 1)
        self._seen = reply.prompt
        rendered = " ".join(reply.prompt)
        return Started(
            id=request_id,
            prompt_tokens=len(reply.prompt),
            cached_tokens=reply.cached,
            prompt_sha256=hashlib.sha256(rendered.encode(errors="replace")).hexdigest(),
        )

    def _advance(self, request_id: int, reply: _Reply, *, batch: int) -> list[Event]:
        before = len(reply.text)
        if reply.cancelled:
            reply.stopped = "cancelled"
        elif reply.late:
            reply.stopped = "deadline"
        else:
            self._write_token(reply)
        events: list[Event] = []
        timings = self._timings(reply, batch)
        if len(reply.text) > before:
            fresh = reply.text[before:]
            events.append(
                Delta(
                    id=request_id,
                    text=fresh,
                    completion_tokens=reply.tokens,
                    decode_s=timings.decode_s,
                    ttft_s=timings.ttft_s,
                    logprobs=_logprobs(reply.request, fresh),
                )
            )
        if reply.stopped:
            del self._replies[request_id]
            events.append(
                Finished(
                    id=request_id,
                    reason=reply.stopped,
                    text=reply.text,
                    completion_tokens=reply.tokens,
                    timings=timings,
                )
            )
        return events

    def _write_token(self, reply: _Reply) -> None:
        deadly = (text := self._script.get("die_on")) and text in reply.request.messages[-1].content
        if deadly or reply.tokens == self._script.get("die_after_tokens"):
            os.kill(os.getpid(), signal.SIGKILL)
        if pace_s := self._script.get("pace_s"):
            time.sleep(pace_s)
        sampling = reply.request.sampling
        word = next(reply.words, None)
        if word is None:
            reply.stopped = "stop"
            return
        text = reply.text + (word.lstrip() if not reply.text else word)
        reply.tokens += 1
        cut = min((text.find(stop) for stop in sampling.stop if stop in text), default=None)
        if cut is not None:
            reply.text, reply.stopped = text[:cut], "stop"
            return
        reply.text = text
        if reply.tokens >= sampling.max_tokens or len(reply.prompt) + reply.tokens >= self._options.context_tokens:
            reply.stopped = "length"
        elif sampling.end_loops and reply.tokens % LOOK_EVERY == 0 and in_a_loop(text):
            reply.stopped = "loop"

    def _timings(self, reply: _Reply, batch: int) -> Timings:
        prefill_rate, decode_rate = self._script.get("prefill_tok_per_s"), self._script.get("decode_tok_per_s")
        prefill_tokens = len(reply.prompt) - reply.cached
        decode_tokens = max(0, reply.tokens - 1)
        prefill_s = prefill_tokens / prefill_rate if prefill_rate else None
        decode_s = decode_tokens / decode_rate if decode_rate else None
        return Timings(
            prompt_tokens=len(reply.prompt),
            prefill_tokens=prefill_tokens if reply.started else 0,
            prefill_s=prefill_s,
            decode_tokens=decode_tokens,
            decode_s=decode_s,
            ttft_s=prefill_s if reply.tokens else None,
            total_s=prefill_s + decode_s if prefill_s is not None and decode_s is not None else None,
            itl_p50_s=1 / decode_rate if decode_rate and decode_tokens else None,
            itl_p95_s=1 / decode_rate if decode_rate and decode_tokens else None,
            max_batch=batch,
        )


def _logprobs(request: Request, text: str) -> tuple[TokenLogprob, ...]:
    """Every word is as likely as any other."""
    if request.logprobs is None:
        return ()
    told = (text.encode(), -math.log(_VOCABULARY_SIZE))
    return (TokenLogprob(token=told[0], logprob=told[1], top=(told,) * min(1, request.logprobs)),)


def _read_script(model: Path) -> dict[str, Any]:
    path = model.with_suffix(".json")
    if not path.is_file():
        return {}
    try:
        script = json.loads(path.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EngineError(f"{path}: not a script for the scripted engine ({error}); expected a JSON object") from None
    if not isinstance(script, dict):
        raise EngineError(f"{path}: not a script for the scripted engine; expected a JSON object")
    return script
