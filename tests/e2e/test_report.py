from pathlib import Path

import pytest
from playwright.sync_api import Browser

from benchmarks.reports.content import collect
from benchmarks.reports.html import html_report
from tests.benchmarks.test_report import quality, speed


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_html_report_draws_its_charts_without_any_request(browser: Browser, tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "report.html"
    report = collect([quality(), speed()])
    path.write_text(html_report(report), encoding="utf-8")
    charts = sum(section.chart is not None for section in report.sections)
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
    asked: list[str] = []
    problems: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    page.wait_for_function("charts => document.querySelectorAll('figure svg').length === charts", arg=charts)
    assert charts >= 6 and asked == [path.as_uri()] and problems == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axis = page.locator("figure svg text").first.get_attribute("fill")
    assert axis == {"light": "#222222", "dark": "#e6e6e6"}[scheme]
    page.close()
