"""The app in a real browser: once on the embedded model, once on scripted models beside a Hub on loopback."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from data.paths import ROOT, cache_dir
from data.settings import OPERATOR_TOKEN as TOKEN
from tests.gguf_bytes import model_bytes
from tests.hub import Hub, Repo, serve_hub

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
OPERATOR_TOKEN = "the-token-of-this-test"
SLOW = "one two three four five six seven eight nine ten " * 400


@dataclass(frozen=True, kw_only=True)
class ScriptedApp:
    """An app whose models are scripts: `alpha`, `beta` and `gamma` are here, `remote` lies on `hub`.

    Whoever gives no token is a visitor. A prompt with "slow" in it is answered for a long time.
    """

    url: str
    folder: Path
    hub: Hub


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serve(environment: Mapping[str, str]) -> Iterator[str]:
    """The app as a process; a traceback in its log fails the test."""
    port = free_port()
    with tempfile.TemporaryFile() as log, tempfile.TemporaryDirectory() as state:
        command = [sys.executable, "-m", "app.serve", "--port", str(port)]
        variables = {**os.environ, "TRADEOFF_STATE": state, **environment}
        server = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=variables)
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
def new_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app on the embedded model puts its runs, beside the committed ones."""
    return tmp_path_factory.mktemp("new-results")


@pytest.fixture(scope="session")
def app_url(embedded_model: Path, new_results: Path) -> Iterator[str]:
    with serve({"TRADEOFF_RESULTS": f"{ROOT / 'benchmarks' / 'results'}:{new_results}"}) as url:
        yield url


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScriptedApp]:
    folder = tmp_path_factory.mktemp("scripted")
    shutil.copytree(ROOT / "benchmarks" / "results", folder / "results")
    write_models(folder)
    (folder / "cache").mkdir()
    (folder / "cache" / "llama.cpp").symlink_to(cache_dir() / "llama.cpp")  # its models are the test's own
    with serve_hub() as hub:
        hub.repos["me/tiny"] = Repo(files={"tiny.gguf": model_bytes(400_000)})
        variables = {
            "TRADEOFF_REGISTRY": str(folder / "models.toml"),
            "TRADEOFF_ENGINE": "scripted",
            "TRADEOFF_RESULTS": str(folder / "results"),
            "TRADEOFF_CACHE": str(folder / "cache"),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "NO_PROXY": "127.0.0.1,localhost",
            TOKEN.name: OPERATOR_TOKEN,
        }
        with serve(variables) as url:
            yield ScriptedApp(url=url, folder=folder, hub=hub)


def write_models(folder: Path) -> None:
    sources = {name: f'{{ kind = "file", path = "{name}.gguf" }}' for name in ("alpha", "beta", "gamma")}
    sources["remote"] = '{ kind = "hf", repo = "me/tiny", file = "tiny.gguf" }'
    tables = []
    for name, source in sources.items():
        (folder / f"{name}.gguf").write_bytes(model_bytes())
        replies = {"slow": SLOW, "17 + 26": "43" if name == "alpha" else "44"}
        script = {"replies": replies, "reply": f"{name} says that this is enough.", "pace_s": 0.004}
        (folder / f"{name}.json").write_text(json.dumps({**script, "decode_tok_per_s": 50, "prefill_tok_per_s": 500}))
        tables.append(
            f'[[model]]\nid = "{name}"\nlabel = "{name.title()}"\nbase = "none"\nsize = "1M"\nquantization = "q8_0"\n'
            f'licence = "MIT"\nsource = {source}\n'
        )
    (folder / "remote.gguf").unlink()
    (folder / "models.toml").write_text("\n".join(tables))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser, app_url: str) -> Iterator[Page]:
    """The Compare page on the embedded model, as a first visitor sees it."""
    with tab(browser, app_url) as opened:
        opened.get_by_test_id("stChatInput").wait_for(timeout=60_000)
        yield opened


@pytest.fixture
def visit(browser: Browser, scripted: ScriptedApp) -> Iterator[Callable[..., Page]]:
    """Opens a path of the scripted app as a new person: `visit("/arena", width=390, dark=True)`."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def open_tab(path: str = "/", **looks: object) -> Page:
            opened = stack.enter_context(tab(browser, scripted.url, path, **looks))  # type: ignore[arg-type]
            opened.get_by_test_id("stMainBlockContainer").wait_for(timeout=30_000)
            return opened

        yield open_tab


@contextmanager
def tab(browser: Browser, url: str, path: str = "", *, width: int = 1280, dark: bool = False) -> Iterator[Page]:
    """A person with an empty browser; anything asked of another host fails the test.

    A tab that was left lies at about:blank, and is used again: its scripts need not be compiled anew, which halves the
    work of a visit. One that a test closes is gone.
    """
    elsewhere: list[str] = []

    def note(request: Request) -> None:
        if is_elsewhere(request.url, url):
            elsewhere.append(request.url)

    opened = left_tab(browser) or browser.new_context(accept_downloads=True).new_page()
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
    opened.set_viewport_size({"width": width, "height": 900})
    opened.emulate_media(color_scheme="dark" if dark else "light")
    opened.on("request", note)
    opened.goto(url + path)
    yield opened
    if opened.is_closed():
        opened.context.close()
    else:
        opened.remove_listener("request", note)
        leave(opened, url)
    assert elsewhere == []


def left_tab(browser: Browser) -> Page | None:
    pages = (page for context in browser.contexts for page in context.pages)
    return next((page for page in pages if page.url == "about:blank"), None)


def leave(page: Page, url: str) -> None:
    """Keep nothing of who was here."""
    page.evaluate("sessionStorage.clear()")
    kept = {"origin": url, "storageTypes": "cookies,local_storage,indexeddb,service_workers"}
    page.context.new_cdp_session(page).send("Storage.clearDataForOrigin", kept)
    page.goto("about:blank")


def is_elsewhere(url: str, app_url: str) -> bool:
    return url.startswith("http") and not url.startswith(app_url)
