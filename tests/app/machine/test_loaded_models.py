"""Models in memory: a budget in bytes, who makes room for whom, who waits."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.machine.loaded_models import IDLE_S, LoadedModels
from app.machine.memory import (
    Need,
    budget_bytes,
    context_tokens,
    need_of,
    problem_with_setting,
    together_bytes,
)
from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.machine import required_memory_bytes
from data.gguf.split import read_model
from data.settings import CONTEXT_TOKENS, MEMORY_GB
from tests.gguf_bytes import model_bytes

WAIT_S = 20


class Worker:
    """Notes what is in its memory."""

    death, suspects, pid = None, frozenset[str](), 1

    def __init__(self) -> None:
        self.alive = True
        self.held: set[str] = set()

    def load(self, model: str, path: Path, options: LoadOptions, *, engine: str = "") -> Any:
        self.held.add(model)

    def unload(self, model: str) -> None:
        self.held.remove(model)

    def close(self) -> None:
        self.alive = False
        self.held.clear()


class Machine:
    """Three units of memory; a model's name says what it takes: "big2" two, "x/base1" one that is shared."""

    def __init__(self, budget: int = 3) -> None:
        self.now = 1000.0
        self.worker = Worker()
        self.most = 0
        self.models = LoadedModels(
            self._start,
            engine="none",
            options=LoadOptions(),
            budget=budget,
            needs=lambda path, options: Need(weights=path.name, weights_bytes=int(path.name[-1])),
            clock=lambda: self.now,
        )

    def _start(self) -> Any:
        self.worker = Worker()
        return self.worker

    def claim(self, *models: str, given_up: Callable[[], bool] = lambda: False) -> list[str]:
        return self.models.claim({model: Path(model) for model in models}, given_up)

    def load(self, *models: str) -> None:
        for model in models:
            self.now += 1
            self.models.load(model, Path(model))
            self.most = max(self.most, self.models.taken_bytes)

    def use(self, *models: str) -> None:
        for model in self.claim(*models):
            self.load(model)
            self.models.release(model)


def test_the_least_recently_used_make_room_by_bytes_and_not_by_count() -> None:
    machine = Machine()
    machine.use("a1", "b1", "c1")
    machine.use("a1")
    machine.use("d2")
    assert machine.worker.held == {"a1", "d2"} and machine.most == 3


def test_sixteen_models_are_never_more_than_the_budget() -> None:
    machine = Machine()
    for number in range(16):
        machine.use(f"{number}/model{1 + number % 3}")
    assert machine.most == 3


def test_weights_that_are_shared_count_once() -> None:
    machine = Machine()
    machine.use("rank8/base2", "rank16/base2", "rank32/base2", "other1")
    assert machine.worker.held == {"rank8/base2", "rank16/base2", "rank32/base2", "other1"}
    assert machine.models.taken_bytes == 3


def test_a_load_waits_for_what_others_use_and_displaces_it_then() -> None:
    machine, done = Machine(), threading.Event()
    assert machine.claim("a2") == ["a2"]
    machine.load("a2")

    def other() -> None:
        machine.use("b2")
        done.set()

    threading.Thread(target=other, daemon=True).start()
    assert not done.wait(0.2) and machine.worker.held == {"a2"}
    machine.models.release("a2")
    assert done.wait(WAIT_S) and machine.worker.held == {"b2"}


def test_who_gives_up_while_waiting_has_nothing() -> None:
    machine = Machine()
    machine.claim("a3")
    assert machine.claim("b1", given_up=lambda: True) == []
    assert not machine.models.in_use("b1")


def test_who_wants_what_is_in_use_already_does_not_wait_behind_who_waits() -> None:
    machine = Machine()
    machine.claim("a2")
    big = threading.Thread(target=machine.use, args=("b3",), daemon=True)
    big.start()
    assert machine.claim("a2") == ["a2"]
    machine.models.release("a2")
    machine.models.release("a2")
    big.join(WAIT_S)
    assert machine.worker.held == {"b3"}


def test_what_does_not_fit_beside_its_own_is_left_out_at_once() -> None:
    machine = Machine()
    assert machine.claim("a2", "b2", "c1") == ["a2", "c1"]
    assert machine.claim("huge9") == []


def test_many_who_want_overlapping_pairs_all_get_them() -> None:
    machine = Machine(2)
    pairs = [("a1", "b1"), ("b1", "c1"), ("c1", "a1"), ("d2",)] * 6
    threads = [threading.Thread(target=machine.use, args=pair, daemon=True) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert not any(thread.is_alive() for thread in threads) and machine.most <= 2


def test_what_nobody_used_for_long_goes_and_the_worker_with_the_last() -> None:
    machine = Machine()
    machine.use("old1", "kept1")
    machine.claim("kept1")
    machine.now += IDLE_S + 2
    machine.models.unload_idle()
    assert machine.worker.held == {"kept1"} and machine.worker.alive
    machine.models.release("kept1")
    machine.models.unload_idle()
    assert machine.worker.held == {"kept1"}  # it was in use until now
    machine.now += IDLE_S + 2
    machine.models.unload_idle()
    assert not machine.worker.alive and machine.models.worker is None
    machine.use("old1")
    assert machine.worker.held == {"old1"}


def test_a_need_is_the_weights_and_what_a_load_adds(tmp_path: Path) -> None:
    path, options = tmp_path / "model.gguf", LoadOptions(sequences=4)
    path.write_bytes(model_bytes())
    need = need_of(path, options)
    assert need.total_bytes == required_memory_bytes(read_model(path), options)
    assert together_bytes([need, need]) == need.weights_bytes + 2 * need.own_bytes
    assert need_of(tmp_path / "none.gguf", options).total_bytes == 0


def test_the_budget_is_what_is_set_or_a_share_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.machine.memory.available_memory_bytes", lambda: 10_000)
    assert budget_bytes({MEMORY_GB.name: "2.5"}) == 2_500_000_000
    for wrong in ("", "much", "-1", "nan", "inf"):
        assert budget_bytes({MEMORY_GB.name: wrong}) == 8_000
    assert problem_with_setting({MEMORY_GB.name: "much"}) and not problem_with_setting({MEMORY_GB.name: "2"})


def test_the_context_is_as_set_and_what_cannot_be_one_is_said() -> None:
    assert context_tokens({CONTEXT_TOKENS.name: "16384"}) == 16_384
    for wrong in ("many", "12", "-5", "1e9", "9" * 400):
        assert context_tokens({CONTEXT_TOKENS.name: wrong}) == 4_096 == context_tokens({})
        assert repr(wrong) in (problem_with_setting({CONTEXT_TOKENS.name: wrong}) or "")
