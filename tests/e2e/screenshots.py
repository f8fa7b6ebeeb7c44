"""Pictures of every page in both modes, for the README: `make screenshots` writes docs/screenshots/PAGE-MODE.png.

The app runs on the embedded default pair, with votes of its own that are thrown away afterwards.
"""

import argparse
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from tests.e2e.actions import send, settled
from tests.e2e.conftest import BROWSER_OPTIONS, CHROMIUM, ROOT, serve, tab

OUT = ROOT / "docs" / "screenshots"
COLOURS = 255
WAIT_MS = 120_000


def first(page: Page) -> None:
    expect(page.get_by_role("img", name="Speed against quality")).to_be_visible(timeout=WAIT_MS)


def compare(page: Page) -> None:
    send(page, "Describe a tall tower in the capital of France.")
    expect(page.get_by_role("button", name="Regenerate")).to_be_visible(timeout=WAIT_MS)


def results(page: Page) -> None:
    expect(page.get_by_role("heading", name="Size against rank")).to_be_visible(timeout=WAIT_MS)


def verdict(page: Page) -> None:
    page.get_by_text("Two models", exact=True).click()
    expect(page.get_by_role("heading", name="From the base to")).to_be_visible(timeout=WAIT_MS)


def arena(page: Page) -> None:
    send(page, "What is the capital of France?")
    expect(page.get_by_role("button", name="Left is better")).to_be_enabled(timeout=WAIT_MS)


def models(page: Page) -> None:
    expect(page.get_by_test_id("data-grid-canvas").first).to_be_visible(timeout=WAIT_MS)


def benchmark(page: Page) -> None:
    expect(page.get_by_text("Takes about")).to_be_visible(timeout=WAIT_MS)


def still(page: Page) -> None:
    expect(page.get_by_test_id("stMainBlockContainer")).to_be_visible(timeout=WAIT_MS)


PAGES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "first": ("/", first),
    "compare": ("/", compare),
    "results": ("/results", results),
    "verdict": ("/results", verdict),
    "arena": ("/arena", arena),
    "models": ("/models", models),
    "benchmark": ("/benchmark", benchmark),
    "method": ("/method", still),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"of {', '.join(PAGES)} (default: all)")
    pages = parser.parse_args().pages or list(PAGES)
    if unknown := [page for page in pages if page not in PAGES]:
        parser.error(f"unknown page {unknown[0]!r}; known: {', '.join(PAGES)}")
    OUT.mkdir(parents=True, exist_ok=True)
    with serve({}) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        for name in pages:
            path, prepare = PAGES[name]
            for dark in (False, True):
                with tab(browser, url, path, dark=dark) as page:
                    prepare(page)
                    settled(page).wait_for_timeout(1500)
                    save(page.screenshot(), OUT / f"{name}-{'dark' if dark else 'light'}.png")
        browser.close()
    return 0


def save(png: bytes, path: Path) -> None:
    """Few colours are enough for text and lines, and a third of the size; rare ones, such as a model's, are kept."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB", flush=True)


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    sys.exit(status)
