import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine.contract import Delta, EngineError, Event, Finished, LoadOptions, Request, Sampling, Started
from benchmarks.engine.worker import Worker
from benchmarks.engine.worker_engine import WorkerEngine
from data.llama_library import VARIANTS, builds_dir, cpu_flags
from data.message import Message
from data.models.served import address_file
from data.paths import ROOT
from tests.openai_server import OpenAIServer, hold_after

FOREVER = Sampling(max_tokens=100_000, ignore_eos=True)


@pytest.fixture
def worker() -> Iterator[Worker]:
    started = Worker()
    yield started
    started.close()


def script(path: Path, **options: object) -> Path:
    path.write_text(json.dumps(options))
    return path


def ask(text: str, sampling: Sampling = FOREVER) -> Request:
    return Request(messages=(Message(role="user", content=text),), sampling=sampling)


class Listener:
    """Gathers a reply's events; `wait_for` returns the first of a kind."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._news = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._news:
            self.events.append(event)
            self._news.notify_all()

    def wait_for(self, kind: type, timeout_s: float = 20) -> Event:
        with self._news:
            assert self._news.wait_for(lambda: any(isinstance(event, kind) for event in self.events), timeout_s)
            return next(event for event in self.events if isinstance(event, kind))


def test_a_worker_writes_a_reply_and_reports_its_memory(worker: Worker, tmp_path: Path) -> None:
    worker.load("a", script(tmp_path / "a.json", reply="one two three"), LoadOptions(), engine="scripted")
    listener = Listener()
    request_id = worker.submit("a", ask("hello"), listener)
    end = listener.wait_for(Finished)
    assert isinstance(end, Finished)
    assert (end.id, end.reason, end.text) == (request_id, "stop", "one two three")
    assert isinstance(listener.events[0], Started)
    memory = worker.memory()
    assert 0 < memory.rss_bytes <= memory.peak_rss_bytes


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT])
def test_a_killed_worker_ends_its_replies_with_a_reason_and_keeps_their_text(
    worker: Worker, tmp_path: Path, how: signal.Signals
) -> None:
    worker.load("a", script(tmp_path / "a.json", pace_s=0.005), LoadOptions(sequences=2), engine="scripted")
    listener = Listener()
    worker.submit("a", ask("hello"), listener)
    listener.wait_for(Delta)
    os.kill(worker.pid, how)
    end = listener.wait_for(Finished)
    assert isinstance(end, Finished)
    assert end.reason == "error"
    assert end.error is not None and how.name in end.error
    assert end.text
    assert not worker.alive
    with pytest.raises(EngineError, match=how.name):
        worker.submit("a", ask("again"), Listener())


def test_a_worker_that_dies_while_asked_answers_with_the_cause(worker: Worker, tmp_path: Path) -> None:
    options = LoadOptions()
    worker.load("a", script(tmp_path / "a.json", pace_s=0.2), options, engine="scripted")
    worker.submit("a", ask("hello"), Listener())
    threading.Timer(0.05, os.kill, (worker.pid, signal.SIGKILL)).start()
    with pytest.raises(EngineError, match="SIGKILL"):
        while True:
            worker.memory()


@pytest.mark.timing
@pytest.mark.slow
def test_a_worker_that_hangs_at_a_reply_is_ended_and_one_that_loads_is_waited_for(tmp_path: Path) -> None:
    path = script(tmp_path / "a.json", pace_s=0.01, load_s=2.0)
    with closing(Worker(patience_s=1.0)) as worker:
        worker.load("a", path, LoadOptions(), engine="scripted")
        listener = Listener()
        worker.submit("a", ask("hello"), listener)
        listener.wait_for(Delta)
        time.sleep(2)  # slow, not silent
        assert worker.alive
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(EngineError, match=r"did nothing for 1 s and was ended"):
            worker.load("b", path, LoadOptions(), engine="scripted")  # waits behind the reply, and excuses nothing
        end = listener.wait_for(Finished)
        assert isinstance(end, Finished) and (end.reason, end.text != "") == ("error", True)


@pytest.mark.slow
def test_a_load_that_never_ends_is_ended(tmp_path: Path) -> None:
    path = script(tmp_path / "a.json", load_s=60.0)
    with (
        closing(Worker(patience_s=0.5)) as worker,
        pytest.raises(EngineError, match="did nothing for 5 s and was ended"),
    ):
        worker.load("a", path, LoadOptions(), engine="scripted")


def test_what_an_engine_refuses_comes_back_as_one_line(worker: Worker, tmp_path: Path) -> None:
    worker.load("a", script(tmp_path / "a.json"), LoadOptions(), engine="scripted")
    with pytest.raises(EngineError, match="prompt is empty"):
        worker.submit("a", ask(""), Listener())
    with pytest.raises(EngineError, match="'b' is not loaded"):
        worker.submit("b", ask("hello"), Listener())
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(EngineError, match="not a script"):
        worker.load("c", broken, LoadOptions(), engine="scripted")


def test_unloading_a_model_ends_its_replies_and_leaves_the_others(worker: Worker, tmp_path: Path) -> None:
    listeners = {name: Listener() for name in "ab"}
    for name, listener in listeners.items():
        worker.load(name, script(tmp_path / f"{name}.json", pace_s=0.001), LoadOptions(), engine="scripted")
        worker.submit(name, ask("hello"), listener)
    listeners["b"].wait_for(Delta)
    worker.unload("a")
    end = listeners["a"].wait_for(Finished)
    assert isinstance(end, Finished) and end.reason == "cancelled"
    worker.cancel("b", 1)
    assert listeners["b"].wait_for(Finished)


def test_closing_twice_is_harmless_and_ends_the_process() -> None:
    worker = Worker()
    worker.close()
    worker.close()
    assert not worker.alive
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


@pytest.mark.timing
@pytest.mark.slow
def test_busy_models_get_equal_shares_of_time(worker: Worker, tmp_path: Path) -> None:
    listeners = {name: Listener() for name in "ab"}
    worker.load("a", script(tmp_path / "a.json", pace_s=0.004), LoadOptions(), engine="scripted")
    worker.load("b", script(tmp_path / "b.json", pace_s=0.016), LoadOptions(), engine="scripted")
    for name, listener in listeners.items():
        worker.submit(name, ask("hello"), listener)
    counts = {"a": 0, "b": 0}
    deadline = time.monotonic() + 20
    while counts["b"] < 40 and time.monotonic() < deadline:
        for name, listener in listeners.items():
            deltas = [event for event in list(listener.events) if isinstance(event, Delta)]
            counts[name] = deltas[-1].completion_tokens if deltas else 0
        threading.Event().wait(0.01)
    assert 2.5 < counts["a"] / counts["b"] < 6.5  # a step of b costs four of a


def test_a_worker_engine_is_an_engine(tmp_path: Path) -> None:
    engine = WorkerEngine(script(tmp_path / "a.json", reply="one two"), LoadOptions(), engine="scripted")
    request_id = engine.submit(ask("hello"))
    events: list[Event] = []
    while engine.busy:
        events += engine.step(1)
    assert [event.text for event in events if isinstance(event, Finished)] == ["one two"]
    assert request_id == events[-1].id
    assert engine.peak_rss_bytes
    engine.close()
    assert engine.peak_rss_bytes


def test_a_model_that_cannot_load_leaves_no_process_behind(tmp_path: Path) -> None:
    not_a_gguf = tmp_path / "model.gguf"
    not_a_gguf.write_bytes(b"PK\x03\x04" + b"\0" * 100)
    with pytest.raises(EngineError, match=r"model\.gguf: not a GGUF"):
        WorkerEngine(not_a_gguf, LoadOptions())


@pytest.mark.slow
def test_every_library_that_this_cpu_runs_computes_the_same_model(
    embedded_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LLAMA_CPP_LIB_PATH", raising=False)
    question = ask("Explain why the sky is blue, then list the planets and say one thing about each. " * 3)
    found = {}
    for name, (_, needs) in VARIANTS.items():
        if needs <= cpu_flags() and (builds_dir() / name / "libllama.so").exists():
            monkeypatch.setenv("TRADEOFF_LLAMA_VARIANT", name)
            with closing(WorkerEngine(embedded_model, LoadOptions(context_tokens=512))) as engine:
                assert ("AMX_INT8 = 1" in engine.info.system_info) == (name == "amx")
                found[name] = engine.distributions(engine.tokenize(question)).astype(np.float64)
    plain = next(iter(found.values()))
    for name, other in found.items():  # sums in another order, activations rounded to eight bits in other groups
        divergence = (np.exp(plain) * (plain - other)).sum(axis=1)
        assert divergence.mean() < 0.02, name


def test_a_worker_dies_with_its_parent_even_where_it_hangs_and_not_with_the_thread_that_asked_for_it(
    tmp_path: Path,
) -> None:
    code = f"""
import os, signal, threading, time
from pathlib import Path
from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.worker import Worker
made = []
asker = threading.Thread(target=lambda: made.append(Worker()))
asker.start(); asker.join()
time.sleep(0.5)
path = Path({str(script(tmp_path / "a.json", reply="x"))!r})
print(made[0].load("a", path, LoadOptions(), engine="scripted").threads)
os.kill(made[0].pid, signal.SIGSTOP)
print(made[0].pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    pid = int(done.stdout.split()[-1])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and _state(pid) != "Z":
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_served_model_and_a_local_one_write_side_by_side(
    worker: Worker, tmp_path: Path, openai_server: OpenAIServer
) -> None:
    openai_server.acts.append(hold_after("far"))
    worker.load("far", address_file(openai_server.entry()), LoadOptions(), engine="scripted")
    worker.load(
        "near", script(tmp_path / "near.json", reply="one two three", pace_s=0.01), LoadOptions(), engine="scripted"
    )
    far, near = Listener(), Listener()
    worker.submit("far", ask("Go"), far)
    far.wait_for(Delta)
    worker.submit("near", ask("Go"), near)
    assert near.wait_for(Finished).text == "one two three"  # type: ignore[union-attr]
    openai_server.go_on.set()
    assert far.wait_for(Finished).text == "far late"  # type: ignore[union-attr]
