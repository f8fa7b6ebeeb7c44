import asyncio
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg

from app.space.messages import UNWANTED, PagesOnly


def received(*messages: BackMsg | bytes) -> list[bytes]:
    """What Streamlit gets of what a browser sends."""
    sent: list[dict[str, Any]] = [
        {"type": "websocket.receive", "bytes": each if isinstance(each, bytes) else each.SerializeToString()}
        for each in messages
    ]
    sent.append({"type": "websocket.disconnect"})
    got: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            got.append(message["bytes"])

    async def receive() -> Any:
        return sent.pop(0)

    async def send(message: Any) -> None:
        pass

    asyncio.run(PagesOnly(app)({"type": "websocket"}, receive, send))
    return got


@pytest.mark.parametrize("name", sorted(UNWANTED))
def test_no_browser_empties_caches_or_stops_the_server(name: str) -> None:
    assert received(BackMsg(**{name: True})) == []


def test_what_the_pages_send_arrives_as_it_is() -> None:
    rerun = BackMsg()
    rerun.rerun_script.query_string = "models=a,b"
    assert received(rerun, b"no protobuf \xff") == [rerun.SerializeToString(), b"no protobuf \xff"]
