"""Run engines in a process of their own, so that a crash or a memory limit takes down one worker and not the caller.

`Worker` holds several models and reports each reply's events to a callback (the app). `WorkerEngine` is one model in
one worker behind the `Engine` protocol (measurements). The worker's environment is set here, because it must be there
before the process starts: huge pages, OpenMP, and the choice of llama.cpp's library.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from benchmarks.engine.contract import Delta, EngineError, Event, LoadOptions, ModelInfo, Request, Started
from benchmarks.engine.ends import Ends
from benchmarks.engine.messages import (
    Alive,
    Answer,
    Call,
    Cancel,
    Command,
    Happened,
    InFlight,
    Inspect,
    Load,
    Memory,
    Submit,
    Unload,
    Usage,
)
from data.paths import ROOT

PATIENCE_S = 120.0
"""A worker that owes something and is silent for so long hangs (a chat template may loop) and is killed. Its steps are
made to take 30 s at most; loading and scoring, which it announces, may take ten times as long."""
_ANNOUNCED = 10


def beside_others() -> dict[str, str]:
    """Changes for a worker that shares its cores with anything else: pages, another model, a build.

    With OpenMP's usual long spinning, decode drops to a thirtieth whenever something else runs; short spinning costs 5%
    on an idle machine (docs/log.md). What the user has set wins. Timed runs, which are alone, do without.
    """
    return {"GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000")}


def worker_environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a worker; what the user has set wins over the defaults, and `changes` over both.

    Weights that llama.cpp repacks are allocated with malloc: huge pages make decode 5 to 8% faster where the kernel
    grants them on request (docs/log.md).
    """
    defaults = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
    return {**defaults, **os.environ, **(changes or {}), "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}


class Worker:
    """A worker process. Methods may be called from any thread; events arrive on the worker's own reader thread.

    Args:
        environment: Variables to set on top of `worker_environment`.
        patience_s: See `PATIENCE_S`.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, *, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._heard_at = time.monotonic()
        self._hung = self._may_be_silent = False
        self._ended, self._buried = threading.Event(), threading.Event()
        self.suspects: frozenset[str] = frozenset()
        """Models that the worker was at when it died: any of them may have been the cause. None where somebody else
        ended it while they wrote, a person or the kernel."""
        self._lock, self._send_lock = threading.Lock(), threading.Lock()
        self._calls: dict[int, Call] = {}
        self._next_call = 1
        self._in_flight: dict[tuple[str, int], InFlight] = {}
        self._closing = False
        self.death: str | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the worker)
        self._socket, theirs = socket.socketpair()
        started: Future[subprocess.Popen[bytes]] = Future()
        keeper = threading.Thread(
            target=self._keep, args=(theirs, environment, started), name="worker-keeper", daemon=True
        )
        keeper.start()
        self._process = started.result()
        self._connection = Connection(os.dup(self._socket.fileno()))
        self._reader = threading.Thread(target=self._read, name="worker-events", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self.death is None and not self._closing

    def load(self, model: str, path: Path, options: LoadOptions, *, engine: str = "llama_cpp") -> ModelInfo:
        """Load a model under a name; a name that is loaded already answers at once.

        Raises:
            EngineError: It cannot be loaded, does not fit in memory, or the worker died.
        """
        return cast(ModelInfo, self._ask(Load(model=model, path=path, options=options, engine=engine), model=model))

    def unload(self, model: str) -> None:
        """Free a model; its unfinished replies end as cancelled."""
        self._ask(Unload(model=model))

    def submit(self, model: str, request: Request, on_event: Callable[[Event], None]) -> int:
        """Start a reply and return its id; see `Engine.submit`.

        Args:
            on_event: Called on the reader thread. If the process dies, the last event is a `Finished` with
                reason "error" and the text so far.
        """
        return cast(int, self._ask(Submit(model=model, request=request), model=model, handler=on_event))

    def cancel(self, model: str, request_id: int) -> None:
        """End a reply soon, also inside its prefill. A dead worker has nothing to cancel."""
        with contextlib.suppress(EngineError):
            self._send(0, Cancel(model=model, request_id=request_id))

    def score(self, model: str, token_ids: list[int]) -> npt.NDArray[np.float32]:
        """See `Engine.score`."""
        return cast("npt.NDArray[np.float32]", self._ask(Inspect(model=model, method="score", argument=token_ids)))

    def distributions(self, model: str, token_ids: list[int]) -> npt.NDArray[np.float32]:
        """See `Engine.distributions`."""
        answer = self._ask(Inspect(model=model, method="distributions", argument=token_ids))
        return cast("npt.NDArray[np.float32]", answer)

    def score_ends(self, model: str, question: Ends) -> list[float]:
        """See `Engine.score_ends`."""
        return cast("list[float]", self._ask(Inspect(model=model, method="score_ends", argument=question)))

    def tokenize(self, model: str, request: Request) -> list[int]:
        """See `Engine.tokenize`."""
        return cast("list[int]", self._ask(Inspect(model=model, method="tokenize", argument=request)))

    def memory(self) -> Memory:
        """The process's memory now and at its highest, in bytes."""
        return cast(Memory, self._ask(Usage()))

    def close(self) -> None:
        """End the process and give its memory back. Idempotent."""
        if self._closing:
            return
        self._closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # inside a long step
            self._process.kill()
            self._process.wait()
        if self._reader is not threading.current_thread():
            self._reader.join(timeout=5)
        self._connection.close()
        self._socket.close()
        self._output.close()

    def _ask(self, command: Command, *, model: str = "", handler: Callable[[Event], None] | None = None) -> Any:
        call = Call(model=model, handler=handler)
        with self._lock:
            number, self._next_call = self._next_call, self._next_call + 1
            self._calls[number] = call
        try:
            self._send(number, command)
        except EngineError:
            self._calls.pop(number, None)
            raise
        return call.answer.result()

    def _send(self, number: int, command: Command) -> None:
        if not self.alive:
            raise EngineError(self.death or "the inference worker is closed")
        try:
            with self._send_lock:
                self._connection.send((number, command))
        except OSError:
            self._reader.join(timeout=10)  # it finds out why
            raise EngineError(self.death or "the inference worker is closed") from None

    def _read(self) -> None:
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                break
            self._heard_at = time.monotonic()
            self._may_be_silent = isinstance(message, Alive) and message.silent
            if isinstance(message, Answer):
                self._take_answer(message)
            elif isinstance(message, Happened):
                self._take_event(message)
        self._ended.set()
        try:
            self._bury()
        finally:
            self._buried.set()

    def _keep(
        self,
        theirs: socket.socket,
        environment: Mapping[str, str] | None,
        started: "Future[subprocess.Popen[bytes]]",
    ) -> None:
        """Start the process and watch it to its end, on one thread: with this thread, the kernel ends the process."""
        try:
            with theirs:
                command = [sys.executable, "-m", "benchmarks.engine.process", str(theirs.fileno()), str(os.getpid())]
                process = subprocess.Popen(
                    command,
                    pass_fds=[theirs.fileno()],
                    env=worker_environment(environment),
                    cwd=ROOT,
                    stdin=subprocess.DEVNULL,
                    stdout=self._output,
                    stderr=self._output,
                )
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(process)
        self._watch(process)
        self._buried.wait()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Kill the process when it owes something and has been silent for too long."""
        while not self._ended.wait(self._patience_s / 8):
            if not (self._calls or self._in_flight):
                self._heard_at = time.monotonic()
            elif time.monotonic() - self._heard_at > self._patience_now_s:
                self._hung = True
                process.kill()
                return

    @property
    def _killed(self) -> bool:
        return not self._hung and self._process.poll() in (-signal.SIGKILL, -signal.SIGTERM)

    @property
    def _patience_now_s(self) -> float:
        return self._patience_s * (_ANNOUNCED if self._may_be_silent else 1)

    def _take_answer(self, answer: Answer) -> None:
        call = self._calls.pop(answer.call, None)
        if call is None:
            return
        if answer.error is not None:
            call.answer.set_exception(EngineError(answer.error))
            return
        if call.handler:  # before the next message, which may be this request's first event
            self._in_flight[call.model, answer.value] = InFlight(handler=call.handler)
        call.answer.set_result(answer.value)

    def _take_event(self, happened: Happened) -> None:
        event = happened.event
        key = (happened.model, event.id)
        reply = self._in_flight.get(key)
        if reply is None:
            return
        if isinstance(event, Started):
            reply.prompt_tokens = event.prompt_tokens
        elif isinstance(event, Delta):
            reply.text += event.text
            reply.completion_tokens = event.completion_tokens
        else:
            del self._in_flight[key]
        reply.handler(event)

    def _bury(self) -> None:
        """The pipe is closed: say why to everybody who waits."""
        death = "the inference worker was closed" if self._closing else self._cause_of_death()
        with self._lock:
            asked = frozenset(call.model for call in self._calls.values() if call.model)
            self.suspects = asked or (frozenset() if self._killed else frozenset(m for m, _ in self._in_flight))
            self.death = death
            calls, self._calls = list(self._calls.values()), {}
        for call in calls:
            call.answer.set_exception(EngineError(self.death))
        replies, self._in_flight = list(self._in_flight.items()), {}
        for (_, request_id), reply in replies:
            reply.handler(reply.ended(request_id, self.death))

    def _cause_of_death(self) -> str:
        try:
            code = self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if self._hung:
            return f"the inference worker did nothing for {self._patience_now_s:g} s and was ended"
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        hint = "; the machine may be out of memory" if code == -signal.SIGKILL else ""
        self._output.seek(max(0, self._output.seek(0, os.SEEK_END) - 4096))
        lines = [line for line in self._output.read().decode(errors="replace").splitlines() if line.strip()]
        reason = next((line for line in reversed(lines) if "GGML_ASSERT" in line or "Error" in line), "")
        return f"the inference worker {how}{hint}" + (f" ({reason.strip()[-200:]})" if reason else "")
