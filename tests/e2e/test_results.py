"""A person looks closely at what was measured: clicks a point, reads the answers, takes the figures away."""

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.actions import download

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]


def test_a_click_on_a_point_shows_the_answers_behind_it(visit: Visit, tmp_path: Path) -> None:
    page = visit("/results")
    page.locator("[aria-label*='Model: SmolLM2 135M · LoRA r16']").first.click(timeout=30_000)
    expect(page.get_by_role("heading", name="Answers of")).to_be_visible(timeout=20_000)
    assert "reason" in download(page, "These answers, as CSV", tmp_path).read_text().partition("\n")[0]


def test_figures_and_charts_are_taken_away(visit: Visit, tmp_path: Path) -> None:
    page = visit("/results")
    expect(page.get_by_role("button", name="These figures, as CSV")).to_be_visible(timeout=30_000)
    assert "full·r16" in download(page, "These figures, as CSV", tmp_path).read_text()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="This chart, as Vega-Lite").first.click()
    assert "accuracy" in Path(waiting.value.path()).read_text()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="SVG").first.click()
    drawn = ElementTree.fromstring(Path(waiting.value.path()).read_text())
    assert drawn.tag.endswith("svg") and float(drawn.get("width", 0)) > 800


def test_two_models_get_a_verdict_and_their_answers_side_by_side(visit: Visit) -> None:
    page = visit("/results")
    page.get_by_text("Two models", exact=True).click()
    expect(page.get_by_text("Where they differ")).to_be_visible(timeout=30_000)
    badges = page.locator(".stMarkdownBadge")
    expect(badges).to_have_count(2)
    assert {"Right", "Wrong"} == {badge.inner_text().split()[-1] for badge in badges.all()}
