"""What a person does on the pages."""

from pathlib import Path

from playwright.sync_api import Locator, Page, expect

REPLY = "[class*='st-key-reply_']"


def send(page: Page, prompt: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(prompt)
    page.get_by_test_id("stChatInputSubmitButton").click()


def finish(page: Page, prompt: str) -> None:
    """Send a prompt and wait for the end of all replies."""
    send(page, prompt)
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible(timeout=30_000)


def texts(page: Page) -> list[str]:
    return [text.inner_text() for text in said(page).all()]


def said(page: Page) -> Locator:
    """Prompts and replies, in their order on the page, with other plain texts."""
    return page.locator(f"[data-testid=stText]:not({REPLY} *), {REPLY}")


def become_operator(page: Page, token: str) -> None:
    """Give the token on the Models page, and stay there."""
    page.get_by_role("link", name="Models").click()
    page.get_by_role("button", name="I am the operator").click()
    page.get_by_role("textbox", name="Token").fill(token)
    page.get_by_role("textbox", name="Token").press("Enter")
    expect(page.get_by_role("link", name="Benchmark")).to_be_visible(timeout=15_000)
    page.keyboard.press("Escape")


def choose(page: Page, label: str, option: str, *, exact: bool = True) -> None:
    """Pick from a select box by keyboard; without `exact`, an option that has this among its words."""
    box = page.get_by_role("combobox", name=label)
    box.click()
    box.fill(option)
    page.get_by_role("option", name=option, exact=exact).click()


def download(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def settled(page: Page) -> Page:
    """Wait until the page has drawn what it has, its charts too."""
    quiet = "() => !document.querySelector('[data-testid=stSkeleton], [data-test-script-state=running]')"
    page.wait_for_function(quiet, timeout=30_000)
    page.wait_for_timeout(700)
    charts = "() => [...document.querySelectorAll('[data-testid=stVegaLiteChart]')]"
    page.wait_for_function(charts + ".every(it => it.querySelector('svg, canvas'))", timeout=30_000)
    return page
