"""What the server does around the pages while it serves."""

import gc
import time
import weakref
from types import SimpleNamespace
from typing import Any

from streamlit.runtime.memory_session_storage import MemorySessionStorage
from streamlit.runtime.session_manager import SessionInfo
from streamlit.runtime.websocket_session_manager import WebsocketSessionManager

from app.asgi import forget_departed


class Session:
    """As Streamlit's: in a circle, so that only the collector ends it."""

    id = "departed"

    def __init__(self) -> None:
        self.me = self


def pages(ttl_s: float) -> tuple[Any, "weakref.ref[Session]"]:
    """Streamlit's own session manager, with somebody who has just left."""
    storage = MemorySessionStorage(ttl_seconds=ttl_s)  # type: ignore[arg-type]
    manager = WebsocketSessionManager(storage, None, None, None)  # type: ignore[arg-type]
    session = Session()
    storage.save(SessionInfo(client=None, session=session))  # type: ignore[arg-type]
    return SimpleNamespace(_session_mgr=manager), weakref.ref(session)


def test_what_those_who_left_held_is_given_back_though_nobody_comes() -> None:
    runtime, session = pages(0.05)
    time.sleep(0.06)
    assert forget_departed(runtime) == 1
    gc.collect()
    assert session() is None


def test_who_may_come_back_finds_what_they_had() -> None:
    runtime, session = pages(100)
    assert forget_departed(runtime) == 0
    gc.collect()
    assert session() is not None
