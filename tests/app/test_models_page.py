"""The Models page over a Hub on loopback: what a card says, and failures without their secrets."""

import html
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from app.views import operation
from data.hub.address import HubSource
from data.paths import ROOT
from data.settings import OPERATOR_TOKEN
from tests.data.models.test_published import CARD, entries
from tests.gguf_bytes import model_bytes
from tests.hub import Hub, Repo
from tests.openai_server import KEY, OpenAIServer

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


OPERATOR = "the-token-of-this-test"
SMALL = model_bytes(4_000)


@pytest.fixture
def operators_page(scripted_app: Callable[..., None], hub: Hub, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    monkeypatch.setenv(OPERATOR_TOKEN.name, OPERATOR)
    hub.repos |= {
        "me/text": Repo(files={"README.md": b"hello"}),
        "me/gated": Repo(files={"a.gguf": SMALL}, access="gated"),
        "me/many": Repo(files={f"m{number:03}-Q4_0.gguf": SMALL for number in range(200)}),
        "me/parts": Repo(files={"big-00002-of-00003.gguf": SMALL}),
        "me/mixed": Repo(files={"m-Q8_0.gguf": model_bytes(9_000), "m-Q4_K_M.gguf": SMALL, "mmproj-m.gguf": SMALL}),
    }
    app = AppTest.from_file(PAGE, default_timeout=30)
    app.session_state.operator_token = OPERATOR
    return app.run()


def look_into(app: AppTest, repo: str) -> AppTest:
    app.text_input(key="add_repo").set_value(repo)
    next(button for button in app.button if button.label == "Show its files").click().run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("repo", "why"),
    [
        ("me/text", "holds no GGUF among its 1 files"),
        ("me/gated", "is gated"),
        ("me/nothing", "no access to me/nothing"),
        ("no repository", "is not a repository; write OWNER/NAME"),
    ],
)
def test_a_repository_that_has_nothing_to_add_is_one_line(operators_page: AppTest, repo: str, why: str) -> None:
    (error,) = look_into(operators_page, repo).error
    assert why in html.unescape(error.value) and "\n" not in error.value
    assert len(operators_page.dataframe) == 2  # the registry, and the metadata of the model that is shown


def test_two_hundred_files_and_missing_parts_are_listed_and_what_is_whole_can_be_taken(operators_page: AppTest) -> None:
    app = look_into(operators_page, "me/many")
    assert len(app.dataframe[0].value) == 200 and len(app.selectbox(key="add_choice_me/many").options) == 200
    app = look_into(app, "me/parts")
    assert "missing in the repository" in app.dataframe[0].value[""][0]
    assert "None of them can be taken." in [caption.value for caption in app.caption]
    app = look_into(app, "me/mixed")
    box = app.selectbox(key="add_choice_me/mixed")
    assert (box.value, len(box.options)) == ("m-Q4_K_M.gguf", 2)
    next(button for button in app.button if button.label == "Add from the Hub").click().run()
    assert runtime.registry()["m-q4_k_m"].source == HubSource(repo="me/mixed", file="m-Q4_K_M.gguf")


@pytest.mark.parametrize(("name", "why"), [("", "which is a folder"), ("circle.gguf", "Too many levels")])
def test_a_path_that_leads_to_no_model_is_one_line(
    operators_page: AppTest, tmp_path: Path, name: str, why: str
) -> None:
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    operators_page.text_input(key="add_path").set_value(str(tmp_path / name))
    next(button for button in operators_page.button if button.label == "Add the file").click().run()
    (error,) = operators_page.error
    assert why in html.unescape(error.value) and not operators_page.exception


def test_the_same_bytes_under_another_name_are_refused_with_the_name_of_the_first(
    operators_page: AppTest, tmp_path: Path
) -> None:
    (tmp_path / "copy.gguf").write_bytes((tmp_path / "alpha.gguf").read_bytes())
    operators_page.text_input(key="add_path").set_value(str(tmp_path / "copy.gguf"))
    next(button for button in operators_page.button if button.label == "Add the file").click().run()
    (error,) = operators_page.error
    assert "copy.gguf is on the list already, as Alpha (alpha)" in html.unescape(error.value)


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


def test_the_figures_of_the_operation_are_a_table_that_can_be_drawn(scripted_app: Callable[..., None]) -> None:
    def page() -> None:
        from app.views.operation import _show_figures

        _show_figures()

    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.exception
    assert "Workers that died" in app.table[0].value.index


def test_a_served_model_is_said_to_be_elsewhere_and_neither_its_key_nor_its_address_is_shown(
    scripted_app: Callable[..., None], tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    monkeypatch.setenv(OPERATOR_TOKEN.name, OPERATOR)
    source = f'{{ kind = "openai", url = "{openai_server.url}/v1", model = "tiny", key = "FAR_KEY" }}'
    with (tmp_path / "models.toml").open("a") as registry:
        registry.write(f'\n[[model]]\nid = "far"\nlabel = "Far"\nsource = {source}\n')
    app = AppTest.from_file(PAGE, default_timeout=30)
    app.session_state.model_shown = "far"
    app.run()
    assert not app.exception
    assert any("Served elsewhere: nothing of it is on this machine" in each.value for each in app.caption)
    row = app.dataframe[0].value.set_index("Model").loc["Far"]
    assert (row["Pin"], row["Needs, MB"]) == ("served", 0)
    shown = "".join(str(each.value) for each in [*app.caption, *app.markdown, *app.dataframe, *app.text])
    assert KEY not in shown and openai_server.url not in shown
