"""A first visit: something to read at once, then the prompt box."""

import time
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow


def first_bytes(url: str) -> str:
    with urlopen(Request(url, headers={"Accept": "text/html"}), timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.timing
def test_a_visitor_reads_the_verdict_within_two_seconds_and_then_has_the_prompt_box(
    browser: Browser, app_url: str
) -> None:
    deadline = time.monotonic() + 30
    while "points" not in first_bytes(app_url):  # the server works the verdict out while it starts
        assert time.monotonic() < deadline
        time.sleep(0.2)
    context = browser.new_context()
    opened = context.new_page()
    started = time.monotonic()
    opened.goto(app_url, wait_until="commit")
    expect(opened.get_by_text("points").first).to_be_visible(timeout=5_000)
    assert time.monotonic() - started < 2
    expect(opened.get_by_test_id("stChatInput")).to_be_visible(timeout=30_000)
    expect(opened.get_by_text("on its way")).to_have_count(0)
    context.close()
