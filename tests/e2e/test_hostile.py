"""What a hostile browser may send, over the real protocol: nobody else notices."""

import subprocess
from collections.abc import Callable

import pytest
from playwright.sync_api import Page
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.sync.client import connect

from tests.e2e.conftest import ScriptedApp

Visit = Callable[..., Page]
pytestmark = pytest.mark.slow


def workers(url: str) -> int:
    """Processes that the server has started: its inference workers."""
    port = url.rpartition(":")[2]
    (server,) = subprocess.check_output(["pgrep", "-f", f"server.port={port}"], text=True).split()
    return int(subprocess.run(["pgrep", "-cP", server], capture_output=True, text=True).stdout)


def test_messages_that_empty_the_caches_leave_the_models_loaded_once(visit: Visit, scripted: ScriptedApp) -> None:
    visit("/")
    before = workers(scripted.url)
    assert before >= 1
    address = scripted.url.replace("http", "ws") + "/_stcore/stream"
    for _ in range(6):
        with connect(address, subprotocols=["streamlit"]) as browser:  # type: ignore[list-item]
            browser.send(BackMsg(clear_cache=True).SerializeToString())
            rerun = BackMsg()
            rerun.rerun_script.query_string = ""
            browser.send(rerun.SerializeToString())
            browser.recv(timeout=20)
    page = visit("/")
    page.get_by_role("button", name="Settings").wait_for()
    assert workers(scripted.url) == before
