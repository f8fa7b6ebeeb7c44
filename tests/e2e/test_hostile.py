"""What a hostile browser may send, over the real protocol: nobody else notices."""

import socket
import subprocess
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

from tests.e2e.conftest import OPERATOR_TOKEN, ScriptedApp

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


def models_page(url: str, host: str, origin: str) -> bytes:
    """All that the server sends of the Models page to a browser that names this host and comes from this origin."""
    there = socket.create_connection(("localhost", int(url.rpartition(":")[2])))
    sent = b""
    with connect(f"ws://{host}/_stcore/stream", sock=there, subprotocols=["streamlit"], origin=origin) as browser:  # type: ignore[list-item, arg-type]
        rerun = BackMsg()
        rerun.rerun_script.page_name = "models"
        browser.send(rerun.SerializeToString())
        while b"A model closely" not in sent or b"script_finished" not in sent:
            message = browser.recv(timeout=20)
            assert isinstance(message, bytes)
            sent += message
            if ForwardMsg.FromString(message).WhichOneof("type") == "script_finished":
                sent += b"script_finished"
    return sent


def test_a_page_of_another_name_that_leads_here_shows_what_visitors_see(app_url: str) -> None:
    here = app_url.partition("://")[2]
    port = here.rpartition(":")[2]
    assert b"Add a model" in models_page(app_url, here, app_url)
    for host, origin in (
        (f"evil.example:{port}", f"http://evil.example:{port}"),
        (here, "http://localhost:1"),
        (here, "http://127.0.0.1"),
    ):
        assert b"Add a model" not in models_page(app_url, host, origin), (host, origin)


def test_figures_are_told_to_the_operator_and_large_uploads_are_refused(scripted: ScriptedApp) -> None:
    figures, upload = f"{scripted.url}/_stcore/metrics", f"{scripted.url}/_stcore/upload_file/a/b"
    assert httpx.get(figures).status_code == 403
    assert httpx.get(figures, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}x"}).status_code == 403
    assert httpx.get(figures, headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}).status_code == 200
    assert httpx.put(upload, content=b"x" * 2_000_000).status_code == 413


def test_the_pages_need_nothing_that_their_rules_forbid(visit: Visit, scripted: ScriptedApp) -> None:
    page = visit("/")
    forbidden: list[str] = []
    page.on("console", lambda message: forbidden.append(message.text) if "Content Security" in message.text else None)
    page.evaluate("fetch('https://elsewhere.example/').catch(() => 0)")
    page.wait_for_timeout(200)
    assert "https://elsewhere.example/" in forbidden[0]  # that is how it would be said
    forbidden.clear()
    for path in ("/results", "/models", "/method"):
        page.goto(scripted.url + path)
        page.get_by_test_id("stMainBlockContainer").wait_for(timeout=30_000)
    page.goto(scripted.url + "/results")
    page.locator("canvas").first.wait_for(timeout=30_000)
    assert forbidden == []
