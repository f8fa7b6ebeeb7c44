"""Every page is accessible, fits a phone, and has its dark colours."""

from collections.abc import Callable
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.e2e.actions import become_operator, finish, said, settled
from tests.e2e.conftest import OPERATOR_TOKEN, tab

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]

PAGES = ("/", "/results", "/arena", "/models", "/method")
PHONE = 360
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(16, 21, 29)"
STREAMLITS_OWN = {"empty-table-header"}
"""The corner of `st.table`, above the names of its rows."""

TARGETS = """() => [...document.querySelectorAll(
  '.stApp button, .stApp a[href], .stApp input, .stApp summary, .stApp [role=tab], .stApp [data-testid=stRadioOption]'
)].filter(it => {
  const box = it.getBoundingClientRect();
  const ours = !it.closest('[data-testid=stSkipToContent], [data-testid=stSidebar], [data-testid=stElementToolbar], ' +
    '[data-testid=stTooltipHoverTarget], [data-testid=stTooltipIcon]')
    && !it.matches('[type=radio], [type=file], [role=switch]');
  return ours && box.width > 1 && box.height > 1 && box.height < 44;
}).map(it => it.outerHTML.slice(0, 200))"""
"""Whatever is pressed and lower than 44 px. Streamlit's own are left out: its skip link, the toolbars of charts and
tables, the marks of help; and the small knobs within labels, which are targets as a whole."""


def findings(page: Page) -> list[str]:
    """Of every severity, each with where it is; but for Streamlit's own markup."""
    response = Axe().run(page).response
    return [
        f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in response["violations"]
        if each["id"] not in STREAMLITS_OWN
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("width", [1280, PHONE])
def test_axe_finds_nothing_by_day_and_by_night(visit: Visit, path: str, width: int) -> None:
    page = settled(visit(path, width=width))
    assert findings(page) == []
    page.emulate_media(color_scheme="dark")
    expect(page.get_by_test_id("stApp")).to_have_css("background-color", DARK, timeout=10_000)
    assert findings(settled(page)) == []


def test_axe_finds_nothing_in_a_comparison_and_on_the_operators_page(visit: Visit) -> None:
    page = visit()
    finish(page, "What is 17 + 26? Answer with the number only.")
    page.get_by_role("button", name="Grade").first.click()
    expect(page.locator(".stMarkdownBadge").filter(has_text="Right")).to_be_visible(timeout=10_000)
    page.get_by_role("button", name="Details").first.click()
    expect(page.get_by_text("Time to first token")).to_be_visible(timeout=10_000)
    assert findings(settled(page)) == []
    page.keyboard.press("Escape")
    become_operator(page, OPERATOR_TOKEN)
    page.get_by_role("link", name="Benchmark").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible(timeout=15_000)
    assert findings(settled(page)) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_phone_needs_no_sideways_scrolling_and_whatever_is_pressed_is_as_high_as_a_thumb_is_wide(
    visit: Visit, path: str
) -> None:
    page = settled(visit(path, width=PHONE))
    block = page.get_by_test_id("stMainBlockContainer")
    assert block.evaluate("it => it.parentElement.scrollWidth <= it.parentElement.clientWidth")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE
    assert page.evaluate(TARGETS) == []


def test_the_widest_chart_scrolls_within_itself_on_a_phone(browser: Browser, app_url: str) -> None:
    with tab(browser, app_url, "/results", width=PHONE) as page:
        page.get_by_text("Two models", exact=True).click(timeout=30_000)
        expect(page.get_by_role("heading", name="From the base to")).to_be_visible(timeout=30_000)
        chart = settled(page).get_by_test_id("stVegaLiteChart").last
        assert chart.evaluate("it => it.scrollWidth > it.clientWidth && it.clientWidth <= 360")
        assert page.get_by_test_id("stMain").evaluate("it => it.scrollWidth") <= PHONE


def test_targets_of_a_comparison_and_of_the_operators_pages_are_as_high_as_a_thumb_is_wide(visit: Visit) -> None:
    page = visit(width=PHONE)
    finish(page, "What is 17 + 26? Answer with the number only.")
    assert settled(page).evaluate(TARGETS) == []
    page.get_by_role("button", name="Settings").click()
    page.wait_for_timeout(500)
    assert page.evaluate(TARGETS) == []


def test_a_comparison_on_a_phone_stacks_the_replies(visit: Visit) -> None:
    page = visit(width=390)
    finish(page, "hello")
    boxes = [text.bounding_box() for text in said(page).all()[1:]]
    assert all(box and box["x"] + box["width"] <= 390 for box in boxes)
    assert boxes[0] and boxes[1] and boxes[1]["y"] > boxes[0]["y"]


def test_dark_mode_follows_the_system(visit: Visit) -> None:
    for dark, ground in ((False, LIGHT), (True, DARK)):
        expect(visit(dark=dark).get_by_test_id("stApp")).to_have_css("background-color", ground, timeout=10_000)


def test_the_keyboard_alone_sends_a_prompt(visit: Visit) -> None:
    page = visit()
    page.get_by_test_id("stChatInputTextArea").focus()
    page.keyboard.type("hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible(timeout=30_000)


def press(page: Page, role: Literal["button", "link", "radio"], name: str, key: str = "Enter") -> None:
    """By keyboard alone: step on until it has the focus, then press it."""
    wanted = page.get_by_role(role, name=name).first
    expect(wanted).to_be_visible(timeout=30_000)
    for _ in range(80):
        if wanted.evaluate("it => it === document.activeElement"):
            page.keyboard.press(key)
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"80 steps do not lead to {name!r}")


def test_the_keyboard_alone_leads_from_the_first_page_to_a_vote(visit: Visit) -> None:
    page = settled(visit())
    press(page, "button", "Start")
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible(timeout=30_000)
    press(page, "link", "Arena")
    press(page, "button", "A prompt from the suites")
    expect(page.get_by_role("button", name="A tie")).to_be_enabled(timeout=30_000)
    press(page, "button", "A tie")
    expect(page.get_by_role("button", name="Next battle")).to_be_visible(timeout=15_000)
