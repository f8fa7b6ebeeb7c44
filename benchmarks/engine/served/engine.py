"""A model that another program serves, behind the same contract: any server of OpenAI's protocol.

At most `LoadOptions.sequences` requests are on their way, each on a thread that reads its stream; `step` only takes
what they have brought. Tokens and the seconds of prefill and decode are the server's own, where it tells them; the
first token, the time between pieces of text and the whole are clocked here, waiting and the way included. Nothing is
guessed.
"""

import hashlib
import queue
import threading
import time
from pathlib import Path

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
)
from benchmarks.engine.ends import Ends
from benchmarks.engine.reply_text import LOOK_EVERY, in_a_loop
from benchmarks.engine.served.piece import Piece
from benchmarks.engine.served.reply import GrowingReply
from benchmarks.engine.served.stream import ServedError, Server
from data.errors import ModelError
from data.models.served import read_address

PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Before each further try of a request that was refused for now; a server's own wish counts, up to a minute."""
_LONGEST_PAUSE_S = 60.0
MOST_CHARACTERS, MOST_SILENT_S = 4_000_000, 900.0
"""Of one answer; a server may say every minute that it still works, and never write."""


class ServedEngine(Engine):
    """See the module docstring; implements `benchmarks.engine.contract.Engine`. `cancel` may be called from any thread.

    Raises:
        EngineError: The file is no address, the server cannot be reached, or it has no such model.
    """

    def __init__(self, path: Path, options: LoadOptions) -> None:
        try:
            source = read_address(path)
        except ModelError as error:
            raise EngineError(str(error)) from None
        started = time.perf_counter()
        self._server = Server(source)
        self._server.check()
        self._replies: dict[int, GrowingReply] = {}
        self._next_id = 1
        self._waiting: queue.SimpleQueue[GrowingReply | None] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[tuple[GrowingReply, Event]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(options.sequences)]
        for thread in self._threads:
            thread.start()
        self._info = ModelInfo(
            description=f"{source.model}, as served by {source.host}",
            context_tokens=options.context_tokens,
            sequences=options.sequences,
            threads=0,
            load_s=time.perf_counter() - started,
            vocabulary_size=0,
            template_sha256="",
            system_info=f"as served by {source.host}",
            architecture="openai",
        )

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def busy(self) -> bool:
        return bool(self._replies)

    @property
    def elsewhere(self) -> bool:
        return True

    def submit(self, request: Request) -> int:
        if request.prompt_tokens:
            raise EngineError("a served model is asked in words; numbers of tokens are its server's own")
        if not any(message.content.strip() for message in request.messages):
            raise EngineError("the prompt is empty; write something first")
        reply = GrowingReply(id=self._next_id, request=request, submitted_at=time.perf_counter())
        self._next_id += 1
        self._replies[reply.id] = reply
        self._waiting.put(reply)
        return reply.id

    def step(self, budget_s: float, *, contended: bool = False) -> list[Event]:
        """What came within the budget; it waits for no longer than the first of it."""
        events: list[Event] = []
        until = time.perf_counter() + budget_s
        while self._replies:
            events += self._end_late()
            wait_s = 0.0 if events else max(0.0, min([until, *self._deadlines()]) - time.perf_counter())
            try:
                reply, event = self._events.get(timeout=wait_s) if wait_s else self._events.get_nowait()
            except queue.Empty:
                if events or time.perf_counter() >= until:
                    break
                continue
            if reply.id in self._replies:
                events.append(event)
                if isinstance(event, Finished):
                    self._forget(reply)
        return events

    def cancel(self, request_id: int) -> None:
        if reply := self._replies.get(request_id):
            self._events.put((reply, reply.end("cancelled")))

    def score(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        raise EngineError("a served model's tokens cannot be scored; that needs the model's own file")

    def distributions(self, token_ids: list[int]) -> npt.NDArray[np.float32]:
        return self.score(token_ids)

    def score_ends(self, question: Ends) -> list[float]:
        raise EngineError("a served model's tokens cannot be scored; that needs the model's own file")

    def tokenize(self, request: Request) -> list[int]:
        raise EngineError("a served model's tokens are its server's own; that needs the model's own file")

    def close(self) -> None:
        for reply in list(self._replies.values()):
            self._forget(reply)
        for _ in self._threads:
            self._waiting.put(None)
        self._server.close()

    def _deadlines(self) -> list[float]:
        return [reply.deadline for reply in self._replies.values() if reply.deadline is not None]

    def _end_late(self) -> list[Event]:
        now = time.perf_counter()
        late = [reply for reply in self._replies.values() if reply.deadline is not None and reply.deadline <= now]
        for reply in late:
            self._forget(reply)
        return [reply.end("deadline") for reply in late] + self._end_silent(now)

    def _end_silent(self, now: float) -> list[Event]:
        dumb = [
            reply
            for reply in self._replies.values()
            if reply.silent_since is not None and now - reply.silent_since > MOST_SILENT_S
        ]
        for reply in dumb:
            self._forget(reply)
        return [reply.end("error", f"{self._server.where} wrote nothing for {MOST_SILENT_S:g} s") for reply in dumb]

    def _forget(self, reply: GrowingReply) -> None:
        reply.over.set()
        self._replies.pop(reply.id, None)

    def _work(self) -> None:
        """One request after another, on a thread of its own."""
        while reply := self._waiting.get():
            if reply.over.is_set():
                continue
            reply.begun_at = time.perf_counter()
            self._events.put((reply, _started(reply)))
            try:
                reason = self._write(reply)
            except ServedError as error:
                self._events.put((reply, reply.end("error", _kept(error, reply))))
            except Exception as error:  # of a server that says what nobody expects: a reply must always end
                self._events.put((reply, reply.end("error", f"{self._server.where}: {type(error).__name__}")))
            else:
                self._events.put((reply, reply.end(reason)))

    def _write(self, reply: GrowingReply) -> FinishReason:
        """Ask until the server takes it; a reply that has begun is not asked for again.

        Raises:
            ServedError: No further try would help, or the reply ended in the middle.
        """
        for pause_s in (*PAUSES_S, None):
            try:
                return self._read(reply)
            except ServedError as error:
                if reply.written or not error.again or pause_s is None:
                    raise
                if reply.over.wait(min(error.after_s or pause_s, _LONGEST_PAUSE_S)):
                    break
        return "cancelled"

    def _read(self, reply: GrowingReply) -> FinishReason:
        for piece in self._server.stream(reply.request):
            if reply.over.is_set():
                return "cancelled"
            if text := reply.take(piece):
                self._events.put((reply, _delta(reply, text, piece)))
                if reply.characters > MOST_CHARACTERS:
                    raise ServedError(f"{self._server.where} writes without end")
                if self._loops(reply):
                    return "loop"
        if reply.finish is None:
            what = "broke off" if reply.written else "answered nothing that is a chat completion; is url right?"
            raise ServedError(f"{self._server.where} {what}")
        return "length" if reply.finish == "length" else "stop"

    def _loops(self, reply: GrowingReply) -> bool:
        looks = reply.request.sampling.end_loops and len(reply.seen_at) % LOOK_EVERY == 0
        return looks and in_a_loop(reply.text)


def _started(reply: GrowingReply) -> Started:
    said = "\n".join(f"{message.role}: {message.content}" for message in reply.request.messages)
    sha256 = hashlib.sha256(said.encode(errors="replace")).hexdigest()
    return Started(id=reply.id, prompt_tokens=None, cached_tokens=0, prompt_sha256=sha256, as_served=True)


def _delta(reply: GrowingReply, text: str, piece: Piece) -> Delta:
    return Delta(
        id=reply.id,
        text=text,
        completion_tokens=reply.tokens,
        decode_s=reply.decode_s,
        ttft_s=reply.ttft_s,
        logprobs=piece.logprobs,
    )


def _kept(error: ServedError, reply: GrowingReply) -> str:
    return f"{error}; what it had written is kept" if reply.written else str(error)
