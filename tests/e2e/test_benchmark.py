"""The operator starts a small run from the page, ends it on the way, goes on, and finds its points."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import read_run
from tests.e2e.actions import choose
from tests.e2e.conftest import tab

pytestmark = pytest.mark.slow
MINE = "Llama-3.2 tiny shape"


def test_a_run_is_started_cancelled_and_resumed_to_its_end(browser: Browser, app_url: str, new_results: Path) -> None:
    with tab(browser, app_url, "/benchmark") as page:
        page.get_by_role("spinbutton", name="Prompts of each suite").fill("6")
        page.get_by_role("spinbutton", name="Prompts of each suite").press("Enter")
        page.get_by_role("button", name="Start").click()
        expect(page.get_by_text("running ·")).to_be_visible(timeout=30_000)
        expect(page.get_by_text(" left", exact=False).first).to_be_visible(timeout=60_000)  # there are samples
        page.get_by_role("button", name="Cancel").click()
        expect(page.get_by_text("stopped ·")).to_be_visible(timeout=30_000)
        (directory,) = find_runs([new_results])
        before = len(read_run(directory).rows)
        assert 0 < before < 12
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text("finished · 12 of 12 samples")).to_be_visible(timeout=120_000)
        expect(page.get_by_test_id("stVegaLiteChart")).to_be_visible(timeout=20_000)
        run = read_run(directory)
        assert run.manifest["finished_at"] and len({row.prompt_id for row in run.rows}) == 6


def test_from_a_file_to_its_point_beside_the_shipped_ones_in_four_clicks(
    browser: Browser, app_url: str, tiny_model: Path
) -> None:
    with tab(browser, app_url) as page:
        clicks = [
            lambda: page.get_by_role("link", name="Models").click(),
            lambda: page.get_by_role("button", name="Add the file").click(),
            lambda: page.get_by_role("button", name="Measure it").first.click(),
            lambda: page.get_by_role("button", name="Start").click(),
        ]
        clicks[0]()
        page.get_by_label("Path of a GGUF on this machine").fill(str(tiny_model))
        clicks[1]()
        expect(page.get_by_text("is on the list, as tiny")).to_be_visible(timeout=30_000)
        clicks[2]()
        page.get_by_role("spinbutton", name="Prompts of each suite").fill("2")
        page.get_by_role("spinbutton", name="Prompts of each suite").press("Enter")
        expect(page.get_by_text("Takes about")).to_contain_text("6 answers", timeout=120_000)
        clicks[3]()
        expect(page.get_by_text("finished · 6 of 6 samples")).to_be_visible(timeout=120_000)
        chart = page.get_by_test_id("stVegaLiteChart").first
        for label in (MINE, "SmolLM2 99M · LoRA r8 · Q8_0", "SmolLM2 135M · LoRA r16 · Q8_0"):
            expect(chart.locator(f"[aria-label*='Model: {label}']").first).to_be_visible(timeout=30_000)
        page.get_by_role("link", name="Results").click()
        choose(page, "On the prompts that were asked of", MINE, exact=False)
        point = page.get_by_test_id("stVegaLiteChart").first.locator(f"[aria-label*='Model: {MINE}']")
        expect(point.first).to_be_visible(timeout=30_000)
        page.get_by_role("link", name="Compare").click()
        choose(page, "Model A", MINE, exact=False)
        picker = page.get_by_role("combobox", name="Model A")
        expect(picker).to_have_value(re.compile(rf"{MINE}.* tok/s"), timeout=20_000)
