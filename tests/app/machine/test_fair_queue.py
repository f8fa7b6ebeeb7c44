"""Whose turn it is."""

import statistics

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


def test_what_somebody_brings_after_one_that_left_moves_up() -> None:
    waiting = queue("a1", "a2", "a3", "b1", "b2")
    waiting.remove("a1")
    assert served(waiting) == ["a2", "b1", "a3", "b2"]


def test_of_a_hundred_who_come_again_and_again_nobody_waits_much_longer_than_most() -> None:
    """Four are served at a time, for six seconds; everybody thinks for up to a minute after their last."""
    waiting, waits, came = FairQueue(), list[float](), dict[str, float]()
    thinking = {f"{number}": number * 0.6 for number in range(100)}
    for second in range(0, 1200, 6):
        for person in [person for person, until in thinking.items() if until <= second]:
            came[person] = thinking.pop(person)
            waiting.add(f"{person}'s at {second}", person)
        for job in [waiting.pop() for _ in range(min(4, len(waiting)))]:
            person = job.partition("'")[0]
            waits.append(second - came[person])
            thinking[person] = max(second + 6, came[person] + 60)
    assert max(waits) < 1.5 * statistics.median(waits)
