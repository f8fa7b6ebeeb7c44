"""The real app in a real browser, on the embedded model."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = "/usr/bin/chromium"
BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def app_url(embedded_model: Path) -> Iterator[str]:
    port = free_port()
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-m", "app.serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env={**os.environ})
        try:
            wait_until_healthy(f"http://localhost:{port}", server)
            yield f"http://localhost:{port}"
        finally:
            server.terminate()
            server.wait(timeout=20)
        log.seek(0)
        assert b"Traceback" not in log.read()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(f"{url}/_stcore/health", timeout=1) as answer:
                if answer.read() == b"ok":
                    return
        except (URLError, OSError):
            pass
    raise AssertionError("the app does not answer its health check")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The Compare page, as a first visitor sees it; anything asked of another host fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    elsewhere: list[str] = []
    opened.on("request", lambda request: elsewhere.append(request.url) if is_elsewhere(request.url, app_url) else None)
    opened.goto(app_url)
    opened.get_by_test_id("stChatInput").wait_for(timeout=60_000)
    yield opened
    context.close()
    assert elsewhere == []


def is_elsewhere(url: str, app_url: str) -> bool:
    return url.startswith("http") and not url.startswith(app_url)
