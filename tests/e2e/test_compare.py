"""A person compares two real models: both write at once, stop stops, and the statistics are there to read."""

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import said, send

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = "Write a long story about a lighthouse keeper, in ten chapters."
WILD = "/?temperature=2&top_p=1&max_tokens=2000"
"""At this temperature an end of turn is so unlikely that a reply goes on until it is stopped."""
STATISTICS = re.compile(r"[\d.]+ tok/s decode · TTFT [\d.]+ s · [\d,]+ tokens · [\d.]+ s · (\w+)")


def replies(page: Page) -> list[str]:
    """Text of each lane's reply; the prompt above them is the first text."""
    return [text.inner_text() for text in said(page).all()][1:]


def wait_for_growth(page: Page, seconds: float = 90) -> None:
    """Both lanes get longer between two looks, in the same span of time."""
    before: list[str] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        now = replies(page)
        if len(now) == len(before) == 2 and all(len(new) > len(old) > 0 for new, old in zip(now, before, strict=True)):
            return
        before = now if len(before) != 2 or not all(before) else before
        page.wait_for_timeout(100)
    raise AssertionError(f"the lanes do not grow together: {before}")


def test_both_lanes_grow_at_the_same_time_stop_stops_and_statistics_show(page: Page, app_url: str) -> None:
    page.goto(app_url + WILD)
    send(page, LONG)
    wait_for_growth(page)
    page.get_by_role("button", name="Stop all").click()
    expect(page.get_by_text("stopped")).to_have_count(2, timeout=15_000)
    captions = " ".join(caption.inner_text() for caption in page.get_by_test_id("stCaptionContainer").all())
    assert [match.group(1) for match in STATISTICS.finditer(captions)] == ["stopped", "stopped"]
    kept = replies(page)
    page.wait_for_timeout(1000)
    assert replies(page) == kept


def test_changing_the_page_does_not_disturb_what_is_being_written(page: Page, app_url: str) -> None:
    page.goto(app_url + WILD)
    send(page, LONG)
    wait_for_growth(page)
    before = replies(page)
    page.get_by_role("link", name="Results").click()
    expect(page.get_by_text("The dashed line is the Pareto frontier")).to_be_visible(timeout=60_000)
    page.get_by_role("link", name="Compare").click()
    expect(said(page)).to_have_count(3, timeout=30_000)
    after = replies(page)
    assert all(new.startswith(old) and len(new) > len(old) for new, old in zip(after, before, strict=True))
