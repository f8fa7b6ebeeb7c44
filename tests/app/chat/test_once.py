import threading

import pytest

from app.chat.once import forget_all, once


@pytest.fixture(autouse=True)
def anew() -> None:
    forget_all()


def test_many_threads_at_once_get_one_value_that_was_made_once() -> None:
    made, gate = [], threading.Barrier(8)

    @once
    def service() -> object:
        made.append(1)
        return object()

    got: list[object] = []

    def ask() -> None:
        gate.wait(5)
        got.append(service())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(made) == 1 and len(got) == 8 and len(set(map(id, got))) == 1


def test_what_could_not_be_made_is_tried_again() -> None:
    problems = [ValueError("not yet")]

    @once
    def registry() -> str:
        if problems:
            raise problems.pop()
        return "here"

    with pytest.raises(ValueError, match="not yet"):
        registry()
    assert registry() == "here"
