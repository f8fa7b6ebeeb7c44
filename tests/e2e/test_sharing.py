"""What was compared can be taken away, shown to somebody else, opened again, and withdrawn."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import download, finish, said, send, texts
from tests.e2e.conftest import ScriptedApp

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]

LONG = "/?max_tokens=3500"


def test_a_shared_link_shows_exactly_the_comparison_until_its_author_deletes_it(
    visit: Visit, scripted: ScriptedApp
) -> None:
    author = visit()
    finish(author, "hello <b>there</b> $x$")
    shown = texts(author)
    author.get_by_role("button", name="Share").click()
    author.get_by_role("button", name="Make a link").click()
    link = author.get_by_test_id("stCode").inner_text().strip()
    reader = visit(link.removeprefix(scripted.url))
    expect(reader.get_by_text("nothing is generated again")).to_be_visible(timeout=15_000)
    for text in shown:
        assert text in texts(reader)
    assert reader.get_by_role("button", name=re.compile("Delete|Send|Regenerate")).count() == 0
    author.get_by_role("button", name="Delete it").click()
    expect(author.get_by_role("button", name="Make a link")).to_be_visible()
    reader.reload()
    expect(reader.get_by_text("nothing is shared under this link")).to_be_visible(timeout=15_000)


def test_a_comparison_is_exported_as_a_file(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    finish(page, "hello")
    page.get_by_role("button", name="Export").click()
    exported = json.loads(download(page, "JSON", tmp_path).read_text())
    assert [reply["label"] for reply in exported["turns"][0]["replies"]] == ["Alpha", "Beta"]
    assert "alpha says" in download(page, "Markdown", tmp_path).read_text()
    assert download(page, "CSV", tmp_path).read_text().count("\n") == 3


def test_a_reloaded_tab_finds_its_running_comparison_again_and_it_goes_on(visit: Visit) -> None:
    page = visit(LONG)
    send(page, "a slow one")
    expect(said(page)).to_have_count(3, timeout=15_000)
    before = texts(page)
    expect(page).to_have_url(re.compile("chat="))
    page.reload()
    expect(said(page)).to_have_count(3, timeout=15_000)
    after = texts(page)
    assert all(new.startswith(old) for new, old in zip(after, before, strict=True))
    page.get_by_role("button", name="Stop A", exact=True).click()
    expect(page.get_by_text("stopped")).to_have_count(1, timeout=10_000)
    page.get_by_role("button", name="Stop all").click()
    expect(page.get_by_text("stopped")).to_have_count(2, timeout=10_000)


def test_two_tabs_of_one_conversation_do_not_write_over_each_other(visit: Visit, scripted: ScriptedApp) -> None:
    first = visit(LONG)
    send(first, "a slow one")
    expect(first).to_have_url(re.compile("chat="))
    second = visit(first.url.removeprefix(scripted.url))
    expect(said(second)).to_have_count(3, timeout=15_000)
    second.get_by_role("button", name="Stop all").click()
    expect(first.get_by_text("stopped")).to_have_count(2, timeout=10_000)
    expect(second.get_by_text("stopped")).to_have_count(2, timeout=10_000)


def test_a_closed_tab_frees_its_lanes_within_ten_seconds_and_a_hidden_one_whose_timers_sleep_goes_on(
    visit: Visit, scripted: ScriptedApp
) -> None:
    """Both at once, since both are ten seconds of waiting."""
    watcher, leaver, hidden = visit(), visit(LONG), visit()
    hidden.add_init_script(
        "const usual = window.setInterval; "
        "window.setInterval = (act, ms, ...rest) => usual(() => window.asleep || act(...rest), ms)"
    )
    hidden.goto(scripted.url + LONG)
    for page in (leaver, hidden):
        send(page, "a slow one")
        expect(said(page)).to_have_count(3, timeout=15_000)
    address = leaver.url.removeprefix(scripted.url)
    leaver.close()
    hidden.evaluate("window.asleep = true")
    watcher.wait_for_timeout(10_000)
    hidden.evaluate("window.asleep = false")
    watcher.goto(scripted.url + address)
    expect(watcher.get_by_text("stopped")).to_have_count(2, timeout=10_000)
    before = texts(hidden)[1]
    hidden.wait_for_timeout(1_000)
    assert len(texts(hidden)[1]) > len(before)
    expect(hidden.get_by_text("stopped")).to_have_count(0)
    hidden.get_by_role("button", name="Stop all").click()
    expect(hidden.get_by_text("stopped")).to_have_count(2, timeout=10_000)
    hidden.close()  # with its script, which later visitors must not run
