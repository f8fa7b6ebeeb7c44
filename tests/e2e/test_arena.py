"""A person votes blind, and sees the standing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import download, said, send

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]


def test_a_vote_is_blind_until_it_is_given_and_counts_in_the_standing(visit: Visit, tmp_path: Path) -> None:
    page = visit("/arena")
    send(page, "hello")
    expect(page.get_by_role("button", name="Left is better")).to_be_enabled(timeout=30_000)
    blind = page.get_by_test_id("stMainBlockContainer").inner_text()
    assert not any(name in blind for name in ("Alpha", "Beta", "Gamma", "tok/s"))
    page.get_by_role("button", name="Left is better").click()
    expect(page.get_by_role("button", name="Next battle")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("tok/s")).to_have_count(2)
    expect(page.get_by_role("button", name="Left is better")).to_have_count(0)
    page.get_by_role("tab", name="Standing").click()
    expect(page.get_by_text("Bradley–Terry strengths from")).to_be_visible(timeout=20_000)
    votes = download(page, "All votes as CSV", tmp_path).read_text()
    assert ",a," in votes and "hello" not in votes


def test_both_sides_are_played_at_the_same_pace(visit: Visit) -> None:
    page = visit("/arena")
    send(page, "a slow one")
    page.get_by_role("button", name="Skip").wait_for(timeout=15_000)
    expect(said(page)).to_have_count(3, timeout=60_000)
    lengths = page.evaluate(
        "() => [...document.querySelectorAll('[class*=st-key-reply_]')].map(it => it.textContent.length)"
    )
    assert abs(lengths[0] - lengths[1]) <= 1
    page.get_by_role("button", name="Skip").click()
    expect(page.get_by_role("button", name="A prompt from the suites")).to_be_visible(timeout=15_000)
