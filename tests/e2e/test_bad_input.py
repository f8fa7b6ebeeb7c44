"""Whatever is typed, pasted or linked: it is shown as text, or refused in one line."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import finish, send, texts

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]

HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'> # no heading **bold** "
    "$\\frac{1}{2}$ :red[x] ![i](http://example.org/x.png) 👩‍🚀 שלום עולם مرحبا"
)


def test_markup_latex_emoji_and_right_to_left_text_are_shown_as_they_are(visit: Visit) -> None:
    page = visit()
    finish(page, HOSTILE)
    assert texts(page)[0] == HOSTILE
    page.get_by_text("Word by word").click()
    expect(page.get_by_text("of the words are shared")).to_be_visible(timeout=10_000)
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src*='example.org'], .katex").count() == 0


def test_a_megabyte_is_refused_in_one_line_and_the_page_goes_on(visit: Visit) -> None:
    page = visit()
    send(page, "word " * 200_000)
    expect(page.get_by_test_id("stAlert")).to_contain_text("has 999,999 characters", timeout=20_000)
    finish(page, "hello")


def test_a_link_that_makes_no_sense_is_named_and_the_usual_pair_is_there(visit: Visit) -> None:
    page = visit("/?models=alpha,nothing&temperature=hot&chat=gone&![i](http://example.org/x.png)=1")
    alerts = page.get_by_test_id("stAlert")
    expect(alerts).to_have_count(4, timeout=15_000)
    words = " ".join(alert.inner_text() for alert in alerts.all())
    assert "'nothing' is not here" in words and "temperature is 'hot'" in words and "conversation" in words
    assert "![i](http://example.org/x.png)" in words and page.locator("img[src*='example.org']").count() == 0
    finish(page, "hello")


def test_a_link_opens_the_models_it_names(visit: Visit) -> None:
    page = visit("/?models=gamma,beta,alpha")
    finish(page, "hello")
    assert [text.partition(" ")[0] for text in texts(page)[1:]] == ["gamma", "beta", "alpha"]


def test_a_list_without_the_column_is_refused_and_with_it_gives_a_table(visit: Visit, tmp_path: Path) -> None:
    page = visit()
    bad, good = tmp_path / "bad.csv", tmp_path / "good.csv"
    bad.write_text("question\nx\n")
    good.write_text("prompt\nfirst\nsecond\n")
    page.get_by_role("button", name="A list").click()
    page.locator("input[type=file]").set_input_files(bad)
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Run the list").click()
    expect(page.get_by_text("no column 'prompt'; it has question")).to_be_visible(timeout=10_000)
    page.locator("input[type=file]").set_input_files(good)
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Run the list").click()
    expect(page.get_by_text("2 of 2 prompts")).to_be_visible(timeout=20_000)
