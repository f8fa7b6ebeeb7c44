"""The process that inference runs in: commands come in over a pipe, events go out.

One thread steps every busy model in turn and gives each the same share of *time*, so each model's own rate is what it
would be alone. A second thread only reads the pipe, so that a cancellation reaches a prefill that is running.

    python -m benchmarks.engine.process FD PARENT     (started by benchmarks.engine.worker; not for people)
"""

import ctypes
import os
import queue
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from benchmarks.engine import growth, open_engine
from benchmarks.engine.contract import Delta, Engine, EngineError, Event, Finished
from benchmarks.engine.messages import (
    Alive,
    Answer,
    Cancel,
    Command,
    Happened,
    Inspect,
    Load,
    Memory,
    Submit,
    Unload,
    Usage,
)
from data.models.quota import hold

SLICE_S = 0.05
SEND_INTERVAL_S = 0.1
ALIVE_INTERVAL_S = 1.0
_PR_SET_PDEATHSIG = 1


@dataclass(kw_only=True)
class _Model:
    """A loaded model; `held` keeps its files in the cache."""

    engine: Engine
    held: tuple[IO[bytes], ...]
    spent_s: float = 0.0
    unfinished: set[int] = field(default_factory=set)
    pending: dict[int, Delta] = field(default_factory=dict)
    sent_at: float = 0.0


class WorkerProcess:
    """The loop of the process; ends when the other side closes the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._commands: queue.SimpleQueue[tuple[int, Command] | None] = queue.SimpleQueue()
        self._models: dict[str, _Model] = {}
        self._sent_at = 0.0

    def run(self) -> None:
        threading.Thread(target=self._read_commands, daemon=True).start()
        while True:
            busy = {name: model for name, model in self._models.items() if model.engine.busy}
            if not self._obey_commands(wait=not busy):
                return
            if busy:
                self._step(busy)
                if time.perf_counter() - self._sent_at >= ALIVE_INTERVAL_S:
                    self._send(Alive())

    def _read_commands(self) -> None:
        while True:
            try:
                call, command = self._connection.recv()
            except (EOFError, OSError):
                self._commands.put(None)
                return
            if isinstance(command, Cancel) and (model := self._models.get(command.model)):
                model.engine.cancel(command.request_id)  # at once: the loop may be inside a long prefill
                continue
            self._commands.put((call, command))

    def _obey_commands(self, *, wait: bool) -> bool:
        """Carry out what has arrived; False when the pipe is closed."""
        while True:
            try:
                item = self._commands.get(block=wait)
            except queue.Empty:
                return True
            if item is None:
                return False
            wait = False
            call, command = item
            if isinstance(command, Load | Unload) or (isinstance(command, Inspect) and command.method != "tokenize"):
                self._send(Alive(silent=True))
            try:
                self._send(Answer(call=call, value=self._obey(command)))
            except (EngineError, OSError, ValueError) as error:
                self._send(Answer(call=call, error=" ".join(str(error).split())))
            except Exception as error:  # of a model's file or template, which may be hostile: other models go on
                self._send(Answer(call=call, error=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"))

    def _obey(self, command: Command) -> Any:
        if isinstance(command, Usage):
            return memory()
        if isinstance(command, Load):
            if command.model not in self._models:
                self._models[command.model] = self._load(command)
            return self._models[command.model].engine.info
        if isinstance(command, Unload):
            return self._unload(command.model)
        if command.model not in self._models:
            raise EngineError(f"model {command.model!r} is not loaded")
        model = self._models[command.model]
        if isinstance(command, Inspect):
            if command.method == "distributions":
                growth.bound(growth.bytes_to_tell(len(command.argument), model.engine.info.vocabulary_size))
            return getattr(model.engine, command.method)(command.argument)
        if isinstance(command, Submit):
            if not model.engine.busy:  # time that it did not want while idle is not owed to it now
                model.spent_s = max([model.spent_s, *self._spent_by_busy()])
            request_id = model.engine.submit(command.request)
            model.unfinished.add(request_id)
            return request_id
        return None

    def _load(self, command: Load) -> _Model:
        growth.bound(growth.bytes_to_load(command.path, command.options))
        try:
            engine = open_engine(command.engine, command.path, command.options)
        finally:
            growth.bound()
        return _Model(engine=engine, held=tuple(map(hold, (command.path, *engine.files))))

    def _unload(self, name: str) -> None:
        if model := self._models.get(name):
            for request_id in list(model.unfinished):
                model.engine.cancel(request_id)
            while model.engine.busy:
                for event in model.engine.step(0):
                    self._note(name, model, event)
            del self._models[name]
            model.engine.close()
            for file in model.held:
                file.close()

    def _spent_by_busy(self) -> list[float]:
        return sorted(each.spent_s for each in self._models.values() if each.engine.busy and not each.engine.elsewhere)[
            :1
        ]

    def _step(self, busy: dict[str, _Model]) -> None:
        """A turn of the model that has had the least time; what others' machines do is looked at every time."""
        elsewhere = {name: model for name, model in busy.items() if model.engine.elsewhere}
        here = {name: model for name, model in busy.items() if name not in elsewhere}
        for name, model in elsewhere.items():
            self._take_turn(name, model, 0.0 if here else SLICE_S / len(elsewhere), contended=False)
        if here:
            name, model = min(here.items(), key=lambda item: item[1].spent_s)
            self._take_turn(name, model, SLICE_S, contended=len(here) > 1)

    def _take_turn(self, name: str, model: _Model, budget_s: float, *, contended: bool) -> None:
        started = time.perf_counter()
        events = model.engine.step(budget_s, contended=contended)
        now = time.perf_counter()
        model.spent_s += now - started
        for event in events:
            self._note(name, model, event)
        if model.pending and now - model.sent_at >= SEND_INTERVAL_S:
            self._flush(name, model, now)

    def _note(self, name: str, model: _Model, event: Event) -> None:
        """Text is gathered and sent about ten times a second; the rest goes out at once, in order."""
        if isinstance(event, Delta):
            before = model.pending.get(event.id)
            model.pending[event.id] = _joined(before, event) if before else event
            return
        if isinstance(event, Finished):
            model.unfinished.discard(event.id)
            if event.id in model.pending:
                self._send(Happened(model=name, event=model.pending.pop(event.id)))
        self._send(Happened(model=name, event=event))

    def _flush(self, name: str, model: _Model, now: float) -> None:
        for delta in model.pending.values():
            self._send(Happened(model=name, event=delta))
        model.pending.clear()
        model.sent_at = now

    def _send(self, message: Answer | Happened | Alive) -> None:
        self._sent_at = time.perf_counter()
        try:
            self._connection.send(message)
        except OSError:
            sys.exit(0)  # nobody is listening any more


def _joined(before: Delta, after: Delta) -> Delta:
    return replace(after, text=before.text + after.text, logprobs=before.logprobs + after.logprobs)


def memory() -> Memory:
    """Resident memory of this process now and at its highest, in bytes."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Memory(rss_bytes=int(fields["VmRSS"].split()[0]) * 1024, peak_rss_bytes=peak)


def die_with(parent: int) -> None:
    """Have the kernel end this process with the thread that started it, whatever it is doing then."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before
        os._exit(0)


def main() -> None:
    die_with(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it closes the pipe
    WorkerProcess(Connection(int(sys.argv[1]))).run()
    os._exit(0)  # nothing to tidy up: the kernel takes the memory back faster than we could


if __name__ == "__main__":
    main()
