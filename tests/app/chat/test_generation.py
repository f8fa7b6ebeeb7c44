import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.chat.generation import LEASE_S, GenerationService, Refused
from app.chat.lanes import Lane, LaneRequest, Snapshot
from app.chat.reply_facts import status_line
from app.machine.memory import Need
from benchmarks.engine.contract import LoadOptions, Request, Sampling
from benchmarks.engine.worker import Worker
from data.errors import ModelError, TradeoffError
from data.events import JsonLines
from data.message import Message
from data.models.entries import FileSource, ModelEntry
from data.progress import Progress

PROMPT = (Message(role="user", content="hello"),)
WAIT_S = 20


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def entry(model_id: str, path: Path) -> ModelEntry:
    return ModelEntry(
        id=model_id,
        label=model_id,
        base="none",
        size="0",
        quantization="none",
        licence="none",
        source=FileSource(path=path),
    )


class Bench:
    """A service over scripted models, and the workers that it has started."""

    def __init__(self, folder: Path, *, sequences: int = 2, **options: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.workers: list[Worker] = []
        self.models: dict[str, ModelEntry] = {}
        self.tabs: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()
        self.gated: str | None = None  # the model that waits at the gate; None: all do
        self.service = GenerationService(
            self.models,
            fetch=self._fetch,
            start_worker=self._start_worker,
            engine="scripted",
            options=LoadOptions(sequences=sequences),
            clock=self.clock,
            is_open=self.tabs.__contains__,
            is_here=lambda entry, registry: entry.id != self.gated,
            **options,
        )

    def model(self, model_id: str, **script: object) -> str:
        path = self.folder / f"{model_id}.json"
        path.write_text(json.dumps(script))
        self.models[model_id] = entry(model_id, path)
        return model_id

    def compare(self, visitor: str, *model_ids: str, person: str | None = None) -> str:
        request = Request(messages=PROMPT, sampling=Sampling(max_tokens=100_000))
        lanes = [LaneRequest(model_id=model_id, request=request) for model_id in model_ids]
        return self.service.compare(visitor, lanes, person=person)

    def wait(self, comparison_id: str, condition: Callable[[Snapshot], bool]) -> Snapshot:
        for _ in range(WAIT_S * 100):
            snapshot = self.service.snapshot(comparison_id)
            assert snapshot is not None
            if condition(snapshot):
                return snapshot
            threading.Event().wait(0.01)
        raise AssertionError(f"still {snapshot}")

    def finish(self, comparison_id: str) -> tuple[Lane, ...]:
        return self.wait(comparison_id, lambda snapshot: snapshot.done).lanes

    def _start_worker(self) -> Worker:
        self.workers.append(Worker())
        return self.workers[-1]

    def _fetch(
        self,
        entry: ModelEntry,
        registry: object,
        *,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        assert isinstance(entry.source, FileSource)
        progress(Progress(model_id=entry.id, stage="download", done_bytes=5, total_bytes=10))
        if self.gated in (None, entry.id):
            self.gate.wait(WAIT_S)
        if not entry.source.path.exists():
            raise ModelError(f"{entry.source.path.name} does not exist")
        return entry.source.path


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.gate.set()
    made.service.close()


def writing(snapshot: Snapshot) -> bool:
    return all(lane.text for lane in snapshot.lanes)


def test_both_lanes_write_and_end_with_their_statistics(bench: Bench) -> None:
    a = bench.model("a", reply="from a", decode_tok_per_s=10, prefill_tok_per_s=10)
    b = bench.model("b", reply="from b")
    lanes = bench.finish(bench.compare("me", a, b))
    assert [(lane.text, lane.reason) for lane in lanes] == [("from a", "stop"), ("from b", "stop")]
    assert lanes[0].decode_tok_per_s == pytest.approx(10)
    assert lanes[1].decode_tok_per_s is None


def test_one_model_can_be_compared_with_itself(bench: Bench) -> None:
    a = bench.model("a", reply="same")
    assert [lane.text for lane in bench.finish(bench.compare("me", a, a))] == ["same", "same"]


def test_a_visitor_has_one_comparison_at_a_time(bench: Bench) -> None:
    a = bench.model("a", pace_s=0.002)
    first = bench.compare("me", a)
    with pytest.raises(Refused, match="still being written"):
        bench.compare("me", a)
    bench.compare("you", a)
    bench.service.cancel(first)
    bench.finish(first)
    bench.compare("me", a)


def test_an_unknown_model_is_refused_by_name(bench: Bench) -> None:
    bench.model("a")
    with pytest.raises(TradeoffError, match="'nothing'"):
        bench.compare("me", "nothing")


def test_the_queue_is_first_in_first_out_shows_the_place_and_is_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sequences=1, max_waiting=(2, 2))
    a = bench.model("a", pace_s=0.002)
    running, second, third = (bench.compare(visitor, a) for visitor in ("1", "2", "3"))
    bench.wait(running, writing)
    assert [bench.wait(job, lambda s: True).place for job in (running, second, third)] == [None, 1, 2]
    with pytest.raises(Refused, match="2 comparisons are waiting"):
        bench.compare("4", a)
    bench.service.cancel(running)
    bench.wait(second, writing)
    assert bench.wait(third, lambda s: True).place == 1
    bench.service.cancel(third)
    assert bench.finish(third)[0].reason == "cancelled"
    bench.service.close()


def test_who_fills_the_queue_waits_behind_their_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sequences=1, max_waiting=(50, 24))
    a = bench.model("a", pace_s=0.002)
    running = bench.compare("greedy 0", a, person="greedy")
    bench.wait(running, writing)
    mine = [bench.compare(f"greedy {number}", a, person="greedy") for number in range(1, 25)]
    with pytest.raises(Refused, match="24 comparisons of yours"):
        bench.compare("greedy 25", a, person="greedy")
    polite = [bench.compare(visitor, a) for visitor in ("b", "c")]
    assert [bench.wait(job, lambda s: True).place for job in (*polite, mine[0], mine[-1])] == [1, 2, 3, 26]
    bench.service.cancel(running)
    bench.wait(polite[0], writing)
    bench.service.close()


def test_a_hundred_visitors_wait_and_each_has_its_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sequences=4)
    a = bench.model("a", reply="fine")
    jobs = [bench.compare(f"visitor {number}", a) for number in range(100)]
    assert [bench.finish(job)[0].text for job in jobs] == ["fine"] * 100
    bench.service.close()


def test_who_waits_is_told_for_how_long_by_what_the_last_ones_took(bench: Bench) -> None:
    slow, quick = bench.model("slow", pace_s=0.02), bench.model("quick", reply="fine")
    first = bench.compare("first", slow, slow)
    bench.wait(first, writing)
    bench.clock.now += 6.0
    bench.service.cancel(first)
    bench.finish(first)
    running = [bench.compare(f"runs {number}", slow, slow) for number in range(2)]
    waiting = [bench.compare(f"waits {number}", quick, quick) for number in range(2)]
    places = [bench.wait(each, lambda snapshot: snapshot.place is not None) for each in waiting]
    assert [(each.place, each.wait_s) for each in places] == [(1, 3.0), (2, 6.0)]
    for each in running:
        bench.service.cancel(each)
    assert [bench.finish(each)[0].text for each in waiting] == ["fine", "fine"]


def test_a_lane_whose_model_is_here_does_not_wait_for_one_that_must_be_fetched(bench: Bench) -> None:
    here, far = bench.model("here", reply="from here"), bench.model("far", reply="from far")
    bench.gated = far
    bench.gate.clear()
    comparison = bench.compare("me", far, here)
    snapshot = bench.wait(comparison, lambda now: now.lanes[1].done and now.lanes[0].stage == "fetching")
    assert (snapshot.lanes[0].stage, snapshot.lanes[1].text) == ("fetching", "from here")
    bench.gate.set()
    assert [lane.text for lane in bench.finish(comparison)] == ["from far", "from here"]


def test_what_is_loaded_is_said_with_its_size_and_the_memory_that_it_needs() -> None:
    lane = Lane(model_id="a", stage="loading", done_bytes=60_400_000, total_bytes=144_811_072, needs_bytes=910_000_000)
    assert status_line(lane, None) == "Loading the model: 60 of 145 MB read; it needs 0.9 GB of memory"
    whole = replace(lane, done_bytes=144_811_072, needs_bytes=None)
    assert status_line(whole, None) == "Loading the model: 145 MB read, now being arranged"
    assert status_line(Lane(model_id="a", stage="loading"), None) == "Loading the model"
    assert status_line(lane, 2, 12.4) == "Waiting for a free place: number 2 in the queue, about 12 s"


def test_one_lane_can_be_stopped_while_the_other_goes_on(bench: Bench) -> None:
    a, b = bench.model("a", pace_s=0.002), bench.model("b", pace_s=0.002)
    job = bench.compare("me", a, b)
    bench.wait(job, writing)
    bench.service.cancel(job, lane=0)
    before = bench.wait(job, lambda s: s.lanes[0].done).lanes[1].completion_tokens
    bench.wait(job, lambda s: s.lanes[1].completion_tokens > before)
    bench.service.cancel(job)
    assert [lane.reason for lane in bench.finish(job)] == ["cancelled", "cancelled"]


def test_an_open_tab_keeps_what_it_started_and_a_closed_one_frees_it(bench: Bench) -> None:
    bench.tabs.add("me")
    job = bench.compare("me", bench.model("a", pace_s=0.002))
    bench.wait(job, writing)
    for _ in range(3):
        bench.clock.now += LEASE_S + 1
        bench.service.end_expired()
    assert not bench.wait(job, writing).done
    bench.tabs.clear()
    bench.clock.now += LEASE_S + 1
    bench.service.end_expired()
    assert bench.finish(job)[0].reason == "cancelled"


def test_what_nobody_watches_is_cancelled_and_a_touch_keeps_it(bench: Bench) -> None:
    a = bench.model("a", pace_s=0.002)
    job = bench.compare("me", a)
    bench.wait(job, writing)
    bench.clock.now += LEASE_S - 1
    bench.service.touch("me")
    bench.clock.now += LEASE_S - 1
    bench.service.end_expired()
    assert not bench.wait(job, writing).done
    bench.clock.now += LEASE_S + 1
    bench.service.end_expired()
    assert bench.finish(job)[0].reason == "cancelled"


def test_a_model_that_cannot_be_fetched_ends_its_lane_with_the_reason(bench: Bench) -> None:
    a, gone = bench.model("a", reply="fine"), bench.model("gone")
    (bench.folder / "gone.json").unlink()
    fine, failed = bench.finish(bench.compare("me", a, gone))
    assert (fine.text, fine.reason) == ("fine", "stop")
    assert (failed.reason, failed.error) == ("error", "gone.json does not exist")


def test_fetch_progress_is_visible_and_can_be_stopped(bench: Bench) -> None:
    bench.gate.clear()
    job = bench.compare("me", bench.model("a"))
    lane = bench.wait(job, lambda s: s.lanes[0].done_bytes > 0).lanes[0]
    assert (lane.stage, lane.done_bytes, lane.total_bytes) == ("fetching", 5, 10)
    bench.service.cancel(job)
    bench.gate.set()
    assert bench.finish(job)[0].reason == "cancelled"


@pytest.mark.slow
def test_after_a_killed_worker_the_lanes_say_why_and_the_next_request_works(bench: Bench) -> None:
    a, b = bench.model("a", pace_s=0.002), bench.model("b", pace_s=0.002)
    job = bench.compare("me", a, b)
    bench.wait(job, writing)
    os.kill(bench.workers[0].pid, signal.SIGKILL)
    for lane in bench.finish(job):
        assert lane.reason == "error"
        assert lane.text
        assert lane.error is not None and "SIGKILL" in lane.error
    again = bench.compare("me", a, b)
    bench.wait(again, writing)
    assert len(bench.workers) == 2


def of_one_byte(path: Path, options: LoadOptions) -> Need:
    return Need(weights=str(path), weights_bytes=1)


def test_the_least_recently_used_idle_model_makes_room(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=2, needs=of_one_byte)
    for model_id in ("a", "b", "c"):
        bench.clock.now += 1
        bench.finish(bench.compare("me", bench.model(model_id, reply="x")))
    assert sorted(bench.service.models.loaded) == ["b", "c"]
    bench.service.close()


def test_a_comparison_waits_for_memory_that_others_use_and_says_so(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=2, needs=of_one_byte)
    slow = [bench.model(name, pace_s=0.002) for name in ("a", "b")]
    first = bench.compare("first", *slow)
    bench.wait(first, writing)
    second = bench.compare("second", bench.model("c", reply="x"), bench.model("d", reply="y"))
    lane = bench.wait(second, lambda snapshot: snapshot.lanes[0].stage == "room").lanes[0]
    assert status_line(lane, None) == "Waiting for memory: others' models are writing"
    bench.service.cancel(first, lane=0)
    assert not bench.wait(second, lambda snapshot: True).done  # both, or none
    bench.service.cancel(first)
    assert [lane.text for lane in bench.finish(second)] == ["x", "y"]
    bench.service.close()


def test_who_waits_for_memory_can_stop(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=1, needs=of_one_byte)
    first = bench.compare("first", bench.model("a", pace_s=0.002))
    bench.wait(first, writing)
    second = bench.compare("second", bench.model("b"))
    bench.wait(second, lambda snapshot: snapshot.lanes[0].stage == "room")
    bench.service.cancel(second)
    assert bench.finish(second)[0].reason == "cancelled"
    bench.service.cancel(first)
    assert bench.finish(bench.compare("second", bench.model("c", reply="x")))[0].text == "x"
    bench.service.close()


def test_models_that_never_fit_together_are_a_line_each_and_the_others_write(tmp_path: Path) -> None:
    bench = Bench(tmp_path, memory_bytes=2, needs=of_one_byte)
    three = [bench.model(name, reply="x") for name in ("a", "b", "c")]
    lanes = bench.finish(bench.compare("me", *three))
    assert [lane.text for lane in lanes] == ["x", "x", ""]
    assert "beside this comparison's other models" in (lanes[2].error or "")
    bench.service.close()


def test_a_model_is_not_unloaded_while_it_writes(bench: Bench) -> None:
    a = bench.model("a", pace_s=0.002)
    job = bench.compare("me", a)
    bench.wait(job, writing)
    assert not bench.service.models.unload(a)
    bench.service.cancel(job)
    bench.finish(job)
    for _ in range(WAIT_S * 100):
        if bench.service.models.unload(a):
            break
        threading.Event().wait(0.01)
    assert bench.service.models.loaded == []
    bench.wait(bench.compare("me", a), writing)


def test_a_prompt_that_no_context_holds_is_refused_before_it_is_read(bench: Bench) -> None:
    a = bench.model("a")
    request = Request(messages=(Message(role="user", content="x" * 1_000_000),))
    with pytest.raises(Refused, match="has 1,000,000 characters"):
        bench.service.compare("me", [LaneRequest(model_id=a, request=request)])


@pytest.mark.slow
def test_a_lane_keeps_its_pace_its_memory_and_its_seed(bench: Bench) -> None:
    a = bench.model("a", reply="w " * 400, decode_tok_per_s=50, pace_s=0.001)
    [lane] = bench.finish(bench.compare("me", a))
    assert lane.rates and all(rate == pytest.approx(50) for rate in lane.rates)
    assert lane.characters_per_s == pytest.approx(50 * len(lane.text) / lane.completion_tokens)
    assert lane.memory_bytes is not None and lane.memory_bytes > 1_000_000
    assert lane.seed == Sampling().seed


def crash(bench: Bench, *models: str, by: signal.Signals = signal.SIGSEGV) -> str:
    """Ask these models, and have the worker die while they write; what the first one says then."""
    comparison = bench.compare("me", *models)
    bench.wait(comparison, lambda snapshot: all(lane.text for lane in snapshot.lanes))
    os.kill(bench.workers[-1].pid, by)
    return bench.finish(comparison)[0].error or ""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Bench, str, str]]:
    bench = Bench(tmp_path)
    slow = {"reply": "word " * 4000, "pace_s": 0.02}
    yield bench, bench.model("bad", **slow), bench.model("good", **slow, replies={"short": "fine"})
    bench.service.close()


def is_answered(bench: Bench, model: str) -> bool:
    request = Request(messages=(Message(role="user", content="short"),), sampling=Sampling(max_tokens=100))
    (lane,) = bench.finish(bench.service.compare("you", [LaneRequest(model_id=model, request=request)]))
    return (lane.text, lane.error) == ("fine", None)


def test_a_model_that_killed_its_worker_twice_is_set_aside_with_the_reason_and_others_go_on(
    pair: tuple[Bench, str, str],
) -> None:
    bench, bad, good = pair
    assert all("SIGSEGV" in crash(bench, bad) for _ in range(2))
    (lane,) = bench.finish(bench.compare("me", bad))
    assert (lane.error or "").startswith("the model is set aside for 10 more minutes, since it has cost 2 workers: the")
    assert "SIGSEGV" in (lane.error or "") and len(bench.workers) == 3
    assert is_answered(bench, good)
    bench.clock.now += 601
    assert "SIGSEGV" in crash(bench, bad)  # it is tried again


def test_a_model_that_answers_is_not_blamed_for_the_one_beside_it(pair: tuple[Bench, str, str]) -> None:
    bench, bad, good = pair
    for _ in range(2):
        crash(bench, bad, good)
        assert is_answered(bench, good)
    (lane,) = bench.finish(bench.compare("me", bad))
    assert "set aside" in (lane.error or "")


def test_nobody_is_blamed_for_a_worker_that_somebody_killed(pair: tuple[Bench, str, str]) -> None:
    bench, bad, _ = pair
    for by in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
        assert by.name in crash(bench, bad, by=by)


def test_the_log_has_requests_by_their_id_and_no_word_of_anybody(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    a = bench.model("a", reply="an answer in confidence")
    request = Request(messages=(Message(role="user", content="a question in confidence"),))
    with caplog.at_level(logging.INFO, "tradeoff"):
        job = bench.service.compare("me", [LaneRequest(model_id=a, request=request)], person="192.0.2.1")
        bench.finish(job)
        for _ in range(WAIT_S * 100):
            if bench.service.load().running == 0:
                break
            threading.Event().wait(0.01)
    lines = [JsonLines().format(record) for record in caplog.records]
    logged = [json.loads(line) for line in lines]
    mine = [line["event"] for line in logged if line.get("request") == job[:8]]
    assert mine == ["comparison.queued", "comparison.begun", "comparison.ended"]
    assert not any(word in "".join(lines) for word in ("confidence", "192.0.2.1", '"me"'))
