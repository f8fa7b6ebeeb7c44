import socket

from app.serve import problem_with_port


def test_a_port_in_use_is_one_line_that_says_how_to_choose_another() -> None:
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        problem = problem_with_port("localhost", taken.getsockname()[1])
    assert problem is not None and "PORT=8502 make app" in problem
    assert "\n" not in problem


def test_a_free_port_is_no_problem_and_an_impossible_one_is() -> None:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        free = probe.getsockname()[1]
    assert problem_with_port("localhost", free) is None
    assert "99999" in (problem_with_port("localhost", 99999) or "")
