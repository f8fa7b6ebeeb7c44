"""Whose turn it is."""

from app.machine.fair_queue import FairQueue


def queue(*jobs: str) -> FairQueue:
    """The first letter is the person."""
    made = FairQueue()
    for job in jobs:
        made.add(job, job[0])
    return made


def served(waiting: FairQueue) -> list[str]:
    return [waiting.pop() for _ in range(len(waiting))]


def test_one_each_is_first_come_first_served() -> None:
    assert served(queue("c1", "a1", "b1")) == ["c1", "a1", "b1"]


def test_a_persons_second_comes_after_everybodys_first() -> None:
    waiting = queue("a1", "a2", "a3", "b1", "c1", "b2")
    order = waiting.in_order()
    assert order == served(waiting) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_who_comes_while_somebodys_many_are_served_is_next() -> None:
    waiting = queue("a1", "a2", "a3", "a4")
    assert [waiting.pop(), waiting.pop()] == ["a1", "a2"]
    waiting.add("b1", "b")
    assert served(waiting) == ["b1", "a3", "a4"]


def test_nobody_waits_for_ever_behind_those_who_keep_coming() -> None:
    waiting = queue("a1", "a2")
    order = []
    for number in range(12):
        waiting.add(f"{number}x", str(number))
        order.append(waiting.pop())
    assert "a2" in order


def test_who_left_waits_no_more_and_lost_nothing() -> None:
    left = queue("a1", "a2", "b1")
    left.remove("a2")
    left.remove("never there")
    assert (len(left), "a2" in left, left.held_by("a")) == (2, False, 1)
    left.add("a3", "a")
    left.add("b2", "b")
    assert served(left) == ["a1", "b1", "a3", "b2"]
