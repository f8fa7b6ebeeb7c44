import pytest

from app.chat.conversation import Chat
from app.chat.visitors import FORGET_S, MAX_CHATS, Chats, OpenTabs, address_of, is_operator, problem_with_token
from data.settings import OPERATOR_TOKEN, PROXIES

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


HERE = {"Host": "localhost:8501", "Origin": "http://localhost:8501"}


@pytest.mark.parametrize(
    ("client", "headers", "operator"),
    [
        (None, HERE, True),
        ("127.0.0.1", {"host": "127.0.0.1:9000", "origin": "http://localhost:9000"}, True),  # through a tunnel
        ("::1", {"Host": "[::1]:8501"}, True),
        (None, {"Host": "localhost", "Origin": "http://localhost"}, True),
        (None, {}, True),
        ("192.0.2.7", HERE, False),
        (None, {**HERE, "X-Forwarded-For": "192.0.2.7"}, False),
        (None, {**HERE, "forwarded": ""}, False),
        (None, {**HERE, "X-Real-IP": "192.0.2.7"}, False),
    ],
)
def test_who_comes_through_a_proxy_or_from_elsewhere_is_a_visitor(
    client: str | None, headers: dict[str, str], operator: bool
) -> None:
    assert is_operator({}, "localhost", None, client=client, headers=headers) is operator
    assert is_operator({OPERATOR_TOKEN.name: TOKEN}, "localhost", TOKEN, client=client, headers=headers)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("evil.example:8501", "http://evil.example:8501"),  # a name that was made to lead to 127.0.0.1
        ("evil.example:8501", None),
        ("evil.example", "http://localhost:8501"),
        ("localhost.evil.example:8501", "http://localhost.evil.example:8501"),
        ("localhost@evil.example:8501", None),
        ("evil.example@localhost:8501", None),
        ("192.0.2.7:8501", "http://192.0.2.7:8501"),
        ("0.0.0.0:8501", "http://0.0.0.0:8501"),
        ("", None),
        (None, "http://localhost:8501"),
        (None, None),
        ("localhost:99999", None),
        ("[::1", None),
        ("localhost:8501", "http://localhost:3000"),  # another program's page on this machine
        ("localhost:8501", "http://localhost"),
        ("localhost:8501", "https://evil.example"),
        ("localhost:8501", "https://evil.example:8501"),
        ("localhost:8501", "null"),
        ("localhost:8501", ""),
    ],
)
def test_another_sites_page_makes_nobody_the_operator(host: str | None, origin: str | None) -> None:
    sent = {"Host": host, "Origin": origin, "Upgrade": "websocket"}
    headers = {name: value for name, value in sent.items() if value is not None}
    assert not is_operator({}, "localhost", None, headers=headers)


def test_a_token_that_could_be_guessed_is_named_and_never_used() -> None:
    assert "5 characters" in (problem_with_token({OPERATOR_TOKEN.name: "short"}) or "")
    assert problem_with_token({OPERATOR_TOKEN.name: TOKEN}) is None
    assert problem_with_token({}) is None


def test_a_visitor_is_here_while_any_tab_of_theirs_is_connected() -> None:
    connected = {"s1", "s2"}
    tabs = OpenTabs(connected.__contains__)
    tabs.note("s1", "me")
    tabs.note("s2", "me")
    connected.remove("s1")
    assert tabs.has("me") and not tabs.has("somebody else")
    connected.remove("s2")
    assert not tabs.has("me")
    connected.add("s1")  # a connection that was lost for a moment
    assert tabs.has("me")


def test_a_reloaded_tab_shows_the_visitor_that_it_opened_again() -> None:
    tabs = OpenTabs(lambda session: True)
    tabs.note("s1", "new")
    tabs.note("s1", "me")
    assert tabs.has("me") and not tabs.has("new")


def test_tabs_that_are_gone_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.chat.visitors.MAX_TABS", 2)
    connected = {"s1", "s3"}
    tabs = OpenTabs(connected.__contains__)
    for session in ("s1", "s2", "s3"):
        tabs.note(session, session)
    connected.add("s2")
    assert tabs.has("s1") and tabs.has("s3") and not tabs.has("s2")


def test_a_conversation_is_found_by_its_id_and_forgotten_an_hour_after_it_was_last_seen() -> None:
    now = [0.0]
    chats = Chats(clock=lambda: now[0])
    chat = Chat(visitor="me")
    chats.keep(chat)
    assert chats.get(chat.id) is chat and chats.get("other") is None
    now[0] = FORGET_S - 1
    chats.keep(chat)
    now[0] += FORGET_S - 1
    chats.keep(Chat(visitor="you"))
    assert chats.get(chat.id) is chat
    now[0] += 2
    chats.keep(Chat(visitor="you"))
    assert chats.get(chat.id) is None


def test_the_oldest_go_when_there_are_too_many() -> None:
    now = [0.0]
    chats = Chats(clock=lambda: now[0])
    kept = []
    for _ in range(MAX_CHATS + 3):
        now[0] += 1
        kept.append(Chat(visitor="me"))
        chats.keep(kept[-1])
    assert [chats.get(chat.id) is None for chat in kept[:4]] == [True, True, True, False]


def behind(proxies: int) -> dict[str, str]:
    return {PROXIES.name: str(proxies)}


@pytest.mark.parametrize(
    ("environment", "client", "forwarded", "address"),
    [
        ({}, "192.0.2.1", [], "192.0.2.1"),
        ({}, "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # who knows who wrote that
        ({}, "127.0.0.1", [], None),
        ({}, None, [], None),
        (behind(1), "127.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        (behind(1), "127.0.0.1", ["1.1.1.1, 2.2.2.2", "198.51.100.9"], "198.51.100.9"),  # the first two are forged
        (behind(2), "127.0.0.1", ["1.1.1.1, 198.51.100.9, 10.0.0.1"], "198.51.100.9"),
        (behind(2), "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),  # past the proxies
        (behind(1), "192.0.2.1", ["no address"], "192.0.2.1"),
        ({PROXIES.name: "many"}, "192.0.2.1", ["198.51.100.9"], "192.0.2.1"),
        ({"SPACE_ID": "me/app"}, "10.0.0.1", ["198.51.100.9"], None),
        ({"SPACE_ID": "me/app", **behind(1)}, "10.0.0.1", ["198.51.100.9"], "198.51.100.9"),
        ({}, "2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
        ({}, "::ffff:192.0.2.1", [], "192.0.2.1"),
    ],
)
def test_an_address_is_what_our_own_proxies_say(
    environment: dict[str, str], client: str | None, forwarded: list[str], address: str | None
) -> None:
    assert address_of(environment, client, forwarded) == address
