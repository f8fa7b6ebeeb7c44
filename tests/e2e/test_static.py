"""The static explorer in a real browser, from the disk: it draws, filters and searches, and asks nobody."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from benchmarks.reports.site import write_site
from tests.benchmarks.test_report import quality, speed


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
def test_the_explorer_works_without_a_server_and_without_any_request(
    browser: Browser, tmp_path: Path, width: int
) -> None:
    write_site([quality(), speed()], tmp_path / "site")
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto((tmp_path / "site" / "index.html").as_uri())
    expect(page.locator("#plot svg")).to_be_visible(timeout=20_000)
    rows = page.locator("#figures tbody tr")
    before = rows.count()
    page.locator("#filter_ranks input").first.uncheck()
    expect(rows).not_to_have_count(before)
    page.locator("#axis").select_option("file_size_bytes")
    expect(page.locator("#plot svg")).to_contain_text("File size")
    assert "points" in page.locator("#sentence").inner_text()
    page.locator("#find").fill("no answer has this text")
    expect(page.locator("#samples tbody tr")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == [] and problems == []
    page.close()
