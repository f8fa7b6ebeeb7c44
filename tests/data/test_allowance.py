"""So much at once, so much a second."""

from data.allowance import Allowance, Rate


def test_a_burst_is_there_and_then_it_comes_back_by_and_by() -> None:
    now = [0.0]
    allowance = Allowance(Rate(per_s=2, burst=3), lambda: now[0])
    assert [allowance.take("me") for _ in range(4)] == [True, True, True, False]
    assert allowance.wait_s("me") == 0.5
    now[0] = 0.5
    assert [allowance.take("me"), allowance.take("me")] == [True, False]
    now[0] = 1000.0
    assert [allowance.take("me") for _ in range(4)] == [True, True, True, False]


def test_everybody_has_their_own() -> None:
    allowance = Allowance(Rate(per_s=1, burst=1), lambda: 0.0)
    assert [allowance.take(who) for who in ("me", "me", "you")] == [True, False, True]


def test_what_is_refused_costs_nothing_and_a_fine_has_to_come_in_first() -> None:
    allowance = Allowance(Rate(per_s=1, burst=10), lambda: 0.0)
    assert not allowance.take("me", 11) and allowance.take("me", 4)
    allowance.fine("me", 5)
    assert not allowance.take("me", 2) and allowance.take("me", 1)
    allowance.fine("me", 5)
    assert allowance.wait_s("me") == 6.0


def test_a_million_names_take_no_memory() -> None:
    now = [0.0]
    allowance = Allowance(Rate(per_s=1, burst=2), lambda: now[0], most=100)
    for number in range(2_000):
        allowance.take(str(number))
    assert len(allowance) == 100
    now[0] = 5.0
    allowance.take("last")
    assert len(allowance) == 1
