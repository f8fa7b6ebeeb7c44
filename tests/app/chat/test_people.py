import pytest

from app.chat.people import is_operator, problem_with_token
from data.settings import OPERATOR_TOKEN

TOKEN = "a-long-enough-token"


@pytest.mark.parametrize(
    ("environment", "address", "given", "operator"),
    [
        ({}, "localhost", None, True),
        ({}, "127.0.0.1", None, True),
        ({}, "::1", None, True),
        ({}, "0.0.0.0", None, False),
        ({}, None, None, False),
        ({"SPACE_ID": "me/space"}, "localhost", None, False),
        ({"SPACE_ID": "me/space", OPERATOR_TOKEN.name: TOKEN}, "0.0.0.0", TOKEN, True),
        ({"SPACE_ID": "me/space", OPERATOR_TOKEN.name: TOKEN}, "0.0.0.0", TOKEN + "x", False),
        ({OPERATOR_TOKEN.name: TOKEN}, "localhost", None, False),
        ({OPERATOR_TOKEN.name: TOKEN}, "localhost", "ünïcode", False),
        ({OPERATOR_TOKEN.name: "short"}, "0.0.0.0", "short", False),
        ({OPERATOR_TOKEN.name: "short"}, "localhost", None, False),
    ],
)
def test_who_is_the_operator(
    environment: dict[str, str], address: str | None, given: str | None, operator: bool
) -> None:
    assert is_operator(environment, address, given) is operator


@pytest.mark.parametrize(
    ("client", "headers", "operator"),
    [
        (None, ["Host", "Origin"], True),
        ("127.0.0.1", [], True),
        ("192.0.2.7", [], False),
        (None, ["X-Forwarded-For"], False),
        (None, ["forwarded"], False),
        (None, ["X-Real-IP"], False),
    ],
)
def test_who_comes_through_a_proxy_or_from_elsewhere_is_a_visitor(
    client: str | None, headers: list[str], operator: bool
) -> None:
    assert is_operator({}, "localhost", None, client=client, headers=headers) is operator
    assert is_operator({OPERATOR_TOKEN.name: TOKEN}, "localhost", TOKEN, client=client, headers=headers)


def test_a_token_that_could_be_guessed_is_named_and_never_used() -> None:
    assert "5 characters" in (problem_with_token({OPERATOR_TOKEN.name: "short"}) or "")
    assert problem_with_token({OPERATOR_TOKEN.name: TOKEN}) is None
    assert problem_with_token({}) is None
