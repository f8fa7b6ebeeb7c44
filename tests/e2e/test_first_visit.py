"""A first visit: something to read at once, then the prompt box."""

import re
import time
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from app.space.first_view import NAME, PURPOSE

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


def test_a_stranger_reads_what_it_is_for_sees_the_picture_and_starts_with_one_click(page: Page) -> None:
    expect(page.get_by_role("heading", name=NAME)).to_be_visible()
    expect(page.get_by_text(PURPOSE)).to_be_visible()
    picture = page.get_by_role("img", name="Speed against quality")
    expect(picture).to_be_visible(timeout=30_000)
    said = picture.get_attribute("alt") or ""
    for name in ("SmolLM2 99M · LoRA r8 · Q8_0", "SmolLM2 135M · LoRA r16 · Q8_0"):
        assert re.search(re.escape(name) + r": \d+ tokens/s, \d+% right", said)
        expect(page.get_by_test_id("stMarkdownContainer").filter(has_text=name).first).to_be_visible()
    expect(page.get_by_text("fine-tuned with LoRA of rank 16, stored as Q8_0")).to_be_visible()
    picker = page.get_by_role("combobox", name="Model A")
    assert re.search(
        r"SmolLM2 99M · LoRA r8 · Q8_0 · \d+ tok/s, \d+% right", picker.input_value() or picker.inner_text()
    )
    assert page.get_by_role("radio").count() == 3
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("status")).to_contain_text("× as", timeout=15_000)
    expect(page.get_by_role("heading", name=NAME)).to_have_count(0)
