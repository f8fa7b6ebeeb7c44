"""Who sends too much, at full speed: what Streamlit gets of it, and what the others notice."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.space.budget import LATER, MOST_MESSAGE_BYTES, POLICY, TOO_BIG, USUAL, Budgeted, Limits
from data.allowance import Rate

LIMITS = replace(
    USUAL,
    messages=Rate(per_s=10, burst=5),
    sent_bytes=Rate(per_s=1_000, burst=10_000),
    messages_of_address=Rate(per_s=20, burst=8),
    bytes_of_address=Rate(per_s=1_000, burst=15_000),
    patience=3,
    hold_s=0.0,
    punishment=0,
)
now = [0.0]


@pytest.fixture(autouse=True)
def start_of_time() -> None:
    now[0] = 0.0


class Streamlit:
    """What gets through, and whose connection has ended."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.ended: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            self.got.append(message["bytes"])
        self.ended.append(message["code"])
        await send({"type": "websocket.send", "bytes": b"what was on its way"})


def visit(app: Budgeted, messages: Sequence[bytes], client: str = "192.0.2.1") -> list[dict[str, Any]]:
    """Send these at once over a connection of its own; what comes back."""
    sent = [{"type": "websocket.receive", "bytes": each} for each in messages]
    sent.append({"type": "websocket.disconnect", "code": 1000})
    back: list[dict[str, Any]] = []

    async def receive() -> Any:
        return sent.pop(0)

    async def send(message: Any) -> None:
        back.append(message)

    asyncio.run(app({"type": "websocket", "client": (client, 1), "headers": []}, receive, send))
    return back


def budgeted(streamlit: Any, limits: Limits = LIMITS) -> Budgeted:
    return Budgeted(
        streamlit, lambda client, headers: None if client == "127.0.0.1" else client, limits, lambda: now[0]
    )


def test_what_is_within_the_budget_arrives_as_it_is() -> None:
    streamlit = Streamlit()
    visit(budgeted(streamlit), [b"one", b"two"])
    assert (streamlit.got, streamlit.ended) == ([b"one", b"two"], [1000])


@pytest.mark.parametrize("client", ["192.0.2.1", "127.0.0.1"])
def test_two_thousand_messages_at_once_end_the_connection_in_one_line(client: str) -> None:
    streamlit = Streamlit()
    back = visit(budgeted(streamlit), [b"x"] * 2_000, client)
    assert len(streamlit.got) == LIMITS.messages.burst and streamlit.ended == [POLICY]
    assert back == [{"type": "websocket.close", "code": POLICY, "reason": "more than 10 messages a second"}]


def test_a_few_too_many_are_dropped_and_the_page_stays() -> None:
    streamlit = Streamlit()
    back = visit(budgeted(streamlit), [b"x"] * 7)
    assert (len(streamlit.got), streamlit.ended) == (5, [1000])
    assert [each["type"] for each in back] == ["websocket.send"]


def test_bytes_count_too() -> None:
    streamlit = Streamlit()
    (closed,) = visit(budgeted(streamlit, replace(LIMITS, patience=0)), [b"x" * 6_000] * 2)
    assert closed["reason"] == "more than 0.976562 KiB a second" and len(streamlit.got) == 1


def test_a_message_of_twenty_megabytes_is_never_read() -> None:
    streamlit = Streamlit()
    (closed,) = visit(budgeted(streamlit, USUAL), [b"x" * 20_000_000])
    assert (closed["code"], streamlit.got) == (TOO_BIG, []) and f"{MOST_MESSAGE_BYTES // 2**20} MiB" in closed["reason"]
    assert len(closed["reason"]) < 124  # what a closing frame holds


def test_an_address_has_a_budget_however_many_connections_it_opens_and_others_have_theirs() -> None:
    streamlit = Streamlit()
    app = budgeted(streamlit)
    for _ in range(4):
        visit(app, [b"x"] * 5)
    assert len(streamlit.got) == LIMITS.messages_of_address.burst
    visit(app, [b"another's"] * 5, "192.0.2.2")
    assert streamlit.got[-5:] == [b"another's"] * 5
    now[0] = 1.0
    visit(app, [b"later"], "192.0.2.1")
    assert streamlit.got[-1] == b"later"


def test_so_many_pages_of_an_address_are_open_and_so_many_in_all() -> None:
    refusals: list[list[dict[str, Any]]] = []

    async def opens_another(scope: Any, receive: Any, send: Any) -> None:
        """While it is open, one more comes, of the same address or of another."""
        back: list[dict[str, Any]] = []
        refusals.append(back)

        async def note(message: Any) -> None:
            back.append(message)

        await app({**scope, "client": (next(clients), 1)}, receive, note)

    limits = replace(LIMITS, open_of_address=2, open=3)
    clients = iter(["a", "a", "b"])
    app = budgeted(opens_another, limits)
    visit(app, [], "a")
    assert "from your address" in refusals[-1][0]["reason"] and refusals[-1][0]["code"] == LATER
    clients = iter(["b", "c", "d"])
    visit(app, [], "a")
    assert refusals[-1][0]["reason"].startswith("3 pages are open already")


def test_who_comes_again_and_again_waits() -> None:
    app = budgeted(Streamlit(), replace(LIMITS, comings=Rate(per_s=1, burst=2)))
    assert [visit(app, [])[0]["type"] for _ in range(3)] == ["websocket.send"] * 2 + ["websocket.close"]
    now[0] = 1.0
    assert visit(app, [])[0]["type"] == "websocket.send"


def test_who_was_disconnected_cannot_come_back_at_once_again_and_again() -> None:
    streamlit = Streamlit()
    app = budgeted(streamlit, replace(LIMITS, comings=Rate(per_s=1, burst=5), punishment=4))
    ends = [visit(app, [b"x"] * 50)[0] for _ in range(3)]
    assert [end["code"] for end in ends] == [POLICY, LATER, LATER]


def uploaded(app: Budgeted, session: str, size: int, times: int, method: str = "PUT") -> list[int]:
    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            url = f"http://app//_stcore/upload_file/{session}"
            return [(await client.request(method, f"{url}/{n}", content=b"x" * size)).status_code for n in range(times)]

    return asyncio.run(ask())


def test_a_session_uploads_four_megabytes_and_an_address_so_many_of_them() -> None:
    async def stored(request: Any) -> PlainTextResponse:
        return PlainTextResponse("stored")

    streamlit = Starlette(routes=[Route("/{path:path}", stored, methods=["PUT", "DELETE"])])
    app = Budgeted(streamlit, lambda client, headers: "one", USUAL, lambda: now[0])
    assert uploaded(app, "me", 2**20, 150) == [200] * 4 + [429] * 146
    assert uploaded(app, "me", 0, 1, "DELETE") == [200]
    sessions = [uploaded(app, f"session {number}", 2**20, 4) for number in range(8)]
    assert sum(codes.count(200) for codes in sessions) == 28  # of 32 MiB, four went before
