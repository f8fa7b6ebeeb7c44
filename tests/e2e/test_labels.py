"""Names in charts, measured in a browser: none stands on another, and none leaves the picture."""

import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.analysis.depth import depth_points
from benchmarks.analysis.points import joined_points
from benchmarks.charts.scatter import scatter
from benchmarks.charts.speed import depth_chart
from benchmarks.reports.html import full_width, vega_library
from benchmarks.runs.read import DEPTH, FIXED_SHAPE, Run
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows
from tests.e2e.actions import settled

pytestmark = pytest.mark.slow
DRAW = 'vegaEmbed("#chart", SPEC, { actions: false, renderer: "svg", config }).then(() => { window.drawn = true });'
BOXES = """() => [...document.querySelectorAll('#chart svg text')].filter(
    it => it.textContent.trim() && getComputedStyle(it).opacity > 0).map(it => {
  const box = it.getBoundingClientRect();
  return { text: it.textContent, left: box.left, right: box.right, top: box.top, bottom: box.bottom };
})"""
EDGE = (
    "() => { const box = document.querySelector('#chart svg').getBoundingClientRect(); return [box.left, box.right] }"
)


def name(number: int) -> str:
    return f"Family{number % 4} {number}35M · LoRA r{8 << number % 2} · Q{4 + number % 5}_K_M"


def run(count: int) -> Run:
    """Models of a few families: most of them lie close together."""
    rng = random.Random(count)
    groups, facts = [], {}
    for number in range(count):
        right = int(40 * min(0.95, max(0.02, rng.gauss(0.3, 0.1))))
        rate = max(20.0, rng.gauss(90, 30))
        model = f"m{number}"
        facts[model] = {"label": name(number)}
        groups += [
            graded_rows(model, "1" * right + "0" * (40 - right), condition="timed-cold", decode_s=20 / rate),
            *(
                timed_rows(model, [rate / slower] * 3, suite=DEPTH, kind=FIXED_SHAPE, prompt_id=f"d{depth}-tg20")
                for depth, slower in ((0, 1.0), (512, 1.3))
            ),
        ]
    return made_run(*groups, facts=facts)


def quality_chart(count: int) -> Any:
    return scatter(joined_points([run(count)]))


def depths_chart(count: int) -> Any:
    return depth_chart(depth_points(run(count)))


def names_drawn(browser: Browser, folder: Path, chart: Any, width: int, dark: bool) -> list[dict[str, Any]]:
    spec = json.dumps(full_width(chart.to_dict()))
    file = folder / "chart.html"
    body = f'<div id="chart" style="width: 100%"></div><script>const SPEC = {spec};{vega_library(DRAW)}</script>'
    file.write_text(f"<!doctype html><meta charset=utf-8><body style='font-family: sans-serif'>{body}")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light")
    try:
        page.goto(file.as_uri())
        page.wait_for_function("window.drawn")
        boxes: list[dict[str, Any]] = page.evaluate(BOXES)
        left, right = page.evaluate(EDGE)
    finally:
        page.close()
    outside = [box["text"] for box in boxes if box["left"] < left - 2 or box["right"] > right + 2]
    assert outside == []
    return boxes


def collisions(boxes: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (a["text"], b["text"])
        for a, b in itertools.combinations(boxes, 2)
        if min(a["right"], b["right"]) - max(a["left"], b["left"]) > 1
        and min(a["bottom"], b["bottom"]) - max(a["top"], b["top"]) > 1
    ]


@pytest.mark.parametrize("count", [1, 4, 8, 30])
@pytest.mark.parametrize(("width", "dark"), [(360, False), (390, True), (800, False), (1280, True), (1920, False)])
def test_no_name_of_a_point_meets_another(browser: Browser, tmp_path: Path, count: int, width: int, dark: bool) -> None:
    boxes = names_drawn(browser, tmp_path, quality_chart(count), width, dark)
    assert collisions(boxes) == []
    named = [box["text"] for box in boxes if box["text"].startswith("Family")]
    assert len(named) >= min(count, 8 if width >= 1280 else 3 if width >= 800 else 1)


@pytest.mark.parametrize("width", [360, 800, 1280])
def test_no_name_meets_another_where_a_page_of_the_app_gives_the_plot_less_height(
    visit: Callable[..., Page], width: int
) -> None:
    page = settled(visit("/results", width=width))
    page.locator("[data-testid=stVegaLiteChart] svg .mark-text text").first.wait_for(timeout=30_000)
    boxes: list[dict[str, Any]] = page.evaluate(BOXES.replace("#chart svg", "[data-testid=stVegaLiteChart] svg"))
    assert collisions(boxes) == [] and any("r16" in box["text"] for box in boxes)


@pytest.mark.parametrize("width", [360, 1280])
def test_no_name_of_a_line_meets_another(browser: Browser, tmp_path: Path, width: int) -> None:
    boxes = names_drawn(browser, tmp_path, depths_chart(8), width, dark=False)
    assert collisions(boxes) == []
    assert sum(box["text"].startswith("Family") for box in boxes) == 8
