"""The Models page over a Hub on loopback: what a card says, and failures without their secrets."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from app.views import operation
from data.paths import ROOT
from tests.data.models.test_published import CARD, entries
from tests.hub import Hub, Repo

PAGE = ROOT / "app" / "app_pages" / "models.py"
TOKEN = "hf_RecognisableSecret0123456789abcd"


@pytest.fixture
def mine(scripted_app: Callable[..., None], hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Repo:
    """A published model, looked up and chosen."""
    monkeypatch.setenv("TRADEOFF_HUB_NAMESPACE", "alice")
    repo = Repo(files={"models.toml": entries("alice/mine"), "card.json": CARD}, tags=("tradeoff",))
    hub.repos["alice/mine"] = repo
    return repo


def open_page() -> AppTest:
    runtime.catalogue().look()
    app = AppTest.from_file(PAGE, default_timeout=30)
    app.session_state.model_shown = "mine-r8"
    app.run()
    assert not app.exception
    return app


def test_the_results_on_a_card_are_shown_and_none_of_its_markup_works(mine: Repo) -> None:
    app = open_page()
    assert "Card" in [tab.label for tab in app.tabs]
    assert [text.value for text in app.text] == ["Each file against *the* model.", "Run `r` on a CPU."]
    assert "mine-r8  12.3" in app.code[0].value
    parity = app.dataframe[1].value
    assert parity["value"][0] == "0.0123" and parity["file"][1].startswith("<img")
    assert not any("<img" in each.value for each in [*app.markdown, *app.caption])


def test_a_fetch_that_is_refused_is_one_line_without_the_token(mine: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    app = open_page()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    mine.access = "gated"
    app.button(key="fetch").click().run()
    download = runtime.downloads().of("mine-r8")
    assert download is not None and download.finished.wait(30)
    app.run()
    (warning,) = app.warning
    assert "gated" in warning.value
    assert not any(TOKEN in str(each.value) for each in [*app.warning, *app.caption, *app.markdown, *app.error])


def test_the_operator_sees_counts_queue_and_memory_and_a_visitor_does_not(
    scripted_app: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = operation.figures()[""]
    assert figures["Comparisons running and waiting"] == "0 and 0"
    assert figures["Models in memory"].startswith("0: 0 MB of ") and " of " in figures["File descriptors"]
    for seen in (True, False):
        monkeypatch.setattr(runtime, "operator", lambda seen=seen: seen)
        app = AppTest.from_file(PAGE, default_timeout=30).run()
        assert not app.exception
        popovers = [block.proto.popover.label for block in app.get("popover")]  # type: ignore[union-attr]
        assert ("Operation" in popovers) is seen
