"""Models are fetched from a Hub, and only the operator may change the machine."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import become_operator, choose
from tests.e2e.conftest import OPERATOR_TOKEN, ScriptedApp
from tests.gguf_bytes import model_bytes
from tests.hub import Repo

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]


def test_a_model_is_fetched_with_progress_cancelled_resumed_and_removed(visit: Visit, scripted: ScriptedApp) -> None:
    page, hub = visit(), scripted.hub
    become_operator(page, OPERATOR_TOKEN)
    choose(page, "A model closely", "Remote")
    hub.hold_after = 200_000
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_test_id("stProgress")).to_contain_text("download", timeout=15_000)
    assert hub.holding.wait(15)
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_timeout(2_000)  # the click must arrive before the rest of the file does
    hub.hold_after = None
    hub.go_on.set()
    expect(page.get_by_text("fetch again to go on")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("Here, checked and ready.")).to_be_visible(timeout=15_000)
    assert "Range" in hub.downloads()[-1].headers
    page.get_by_role("button", name="Remove the file").click()
    expect(page.get_by_text("Remote is removed")).to_be_visible(timeout=15_000)
    expect(page.get_by_role("button", name="Fetch")).to_be_visible()


def test_a_visitor_reads_but_cannot_change_the_machine(visit: Visit) -> None:
    page = visit("/models")
    expect(page.get_by_role("combobox", name="A model closely")).to_be_visible(timeout=15_000)
    page.get_by_role("tab", name="Chat template").click()
    expect(page.get_by_text("{{ messages }}")).to_be_visible()
    assert page.get_by_role("button", name="Remove").count() == 0
    assert page.get_by_text("Add a model").count() == 0
    assert page.get_by_role("link", name="Benchmark").count() == 0
    page.get_by_role("button", name="I am the operator").click()
    page.get_by_role("textbox", name="Token").fill("a wrong one")
    page.get_by_role("textbox", name="Token").press("Enter")
    expect(page.get_by_text("not the operator's token")).to_be_visible(timeout=10_000)
    page.goto(page.url.replace("/models", "/benchmark"))
    expect(page.get_by_text("Runs are started by the operator")).to_be_visible(timeout=15_000)


def test_the_operator_adds_a_file_which_can_be_compared_at_once(visit: Visit, scripted: ScriptedApp) -> None:
    path = scripted.folder / "delta-Q4_0.gguf"
    path.write_bytes(model_bytes(6_000))
    page = visit()
    become_operator(page, OPERATOR_TOKEN)
    page.get_by_label("Path of a GGUF on this machine").fill("/no/such.gguf")
    page.get_by_role("button", name="Add the file").click()
    expect(page.get_by_text("no file at '/no/such.gguf'")).to_be_visible(timeout=10_000)
    page.get_by_label("Path of a GGUF on this machine").fill(str(path))
    page.get_by_role("button", name="Add the file").click()
    expect(page.get_by_text("is on the list, as delta-q4_0")).to_be_visible(timeout=10_000)
    page.get_by_role("link", name="Compare").click()
    choose(page, "Model A", "Tiny", exact=False)
    page.get_by_role("link", name="Models").click()
    choose(page, "A model closely", "Tiny")
    page.get_by_role("button", name="Take off the list").click()
    expect(page.get_by_text("is off the list; its file is yours")).to_be_visible(timeout=10_000)
    assert path.exists()
    page.get_by_role("link", name="Compare").click()
    expect(page.get_by_test_id("stChatInput")).to_be_visible(timeout=10_000)


def test_a_repository_shows_its_files_and_the_recommended_one_is_added(visit: Visit, scripted: ScriptedApp) -> None:
    files = {"mine-Q4_K_M.gguf": model_bytes(5_000), "mine-F16.gguf": model_bytes(9_000)}
    scripted.hub.repos["me/mine-GGUF"] = Repo(files={**files, "big-00001-of-00002.gguf": model_bytes(7_000)})
    page = visit()
    become_operator(page, OPERATOR_TOKEN)
    page.get_by_label("Or a repository on the Hub").fill("me/nothing")
    page.get_by_role("button", name="Show its files").click()
    expect(page.get_by_text("no access to me/nothing")).to_be_visible(timeout=15_000)
    page.get_by_label("Or a repository on the Hub").fill("https://huggingface.co/me/mine-GGUF/tree/main")
    page.get_by_role("button", name="Show its files").click()
    expect(page.get_by_role("combobox", name="File of me/mine-GGUF")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Add from the Hub").click()
    expect(page.get_by_text("is on the list, as mine-q4_k_m")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Fetch").click()
    expect(page.get_by_text("Here, checked and ready.")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Name and licence").click()
    page.get_by_label("Name", exact=True).fill("My own model")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="My own model")).to_be_visible(timeout=15_000)
    page.get_by_role("button", name="Remove the file").click()
    expect(page.get_by_text("My own model is removed")).to_be_visible(timeout=15_000)
