import socket

import pytest

from app.serve import main, problem_with_port
from data.settings import OPERATOR_TOKEN


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


@pytest.mark.parametrize(("token", "why"), [("", "--api needs a token"), ("short", "set one of at least 16")])
def test_the_api_is_not_served_without_a_token_that_nobody_guesses(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], token: str, why: str
) -> None:
    monkeypatch.setenv(OPERATOR_TOKEN.name, token)
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        free = probe.getsockname()[1]
    assert main(["--api", "--port", str(free)]) != 0
    assert why in capsys.readouterr().err
