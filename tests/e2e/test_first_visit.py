"""A first visit: something to read at once, then the prompt box."""

import time

import pytest
from playwright.sync_api import Browser, expect

pytestmark = pytest.mark.slow


def test_a_first_visitor_reads_the_verdict_within_two_seconds_and_then_has_the_prompt_box(
    browser: Browser, app_url: str
) -> None:
    context = browser.new_context()
    opened = context.new_page()
    started = time.monotonic()
    opened.goto(app_url, wait_until="commit")
    expect(opened.get_by_text("points")).to_be_visible(timeout=5_000)
    assert time.monotonic() - started < 2
    expect(opened.get_by_test_id("stChatInput")).to_be_visible(timeout=30_000)
    expect(opened.get_by_text("on its way")).to_have_count(0)
    context.close()
