"""Replies as people read them: formatted, folded, and without any request to anybody."""

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.app.replies.hostile import HOSTILE
from tests.e2e.actions import REPLY, finish, settled
from tests.e2e.conftest import serve, tab, write_models

pytestmark = pytest.mark.slow
Visit = Callable[..., Page]

FENCE = "```"
USUAL = f"""<think>A table, code and a formula.</think>
It costs $5 to $10, for **all** of \\(x^2\\):

1. One
   {FENCE}python
   print(":material/home:")
   {FENCE}
2. Two

| a | b |
|---|---|
| 1 | $y$ |

$$
\\frac{{1}}{{2}}
$$
"""
ACTIVE = "a, img, iframe, script, style, form, svg[id^=mermaid], [role=img], .katex-error, h1, h2"
SMALL = [text for text in HOSTILE.values() if len(text) < 2_000]
LEFT_OPEN = ("$$ ", "`", "```", "<!--")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two models: `alpha` writes usual Markdown, `beta` everything hostile, those last that leave something open."""
    folder = tmp_path_factory.mktemp("replies")
    write_models(folder)
    last = sorted(SMALL, key=lambda text: text.startswith(LEFT_OPEN))
    for name, reply in (("alpha", USUAL), ("beta", "\n\n---\n\n".join(text.replace("\ud800", "") for text in last))):
        script = {"reply": reply, "decode_tok_per_s": 50, "prefill_tok_per_s": 500}
        (folder / f"{name}.json").write_text(json.dumps(script))
    (folder / "results").mkdir()
    variables = {"TRADEOFF_REGISTRY": str(folder / "models.toml"), "TRADEOFF_RESULTS": str(folder / "results")}
    with serve({**variables, "TRADEOFF_ENGINE": "scripted"}) as address:
        yield address


def test_hostile_replies_ask_nobody_for_anything_and_run_nothing(browser: Browser, url: str) -> None:
    with tab(browser, url, "/?max_tokens=3500") as page:  # fails where another host is asked
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        finish(page, "hello")
        page.wait_for_timeout(1_000)
        reply = settled(page).locator(REPLY).nth(1)
        assert reply.get_by_test_id("stMarkdown").count() > 3
        assert "alert(1)" in reply.inner_text() and "example.org/x.png" in reply.inner_text()
        assert reply.locator(ACTIVE).count() == 0
        assert {each.rpartition("/")[2] for each in asked} & {"x", "x.png", "y.png", "m.png", "x.svg"} == set()


def test_code_a_table_and_formulas_are_drawn_and_a_switch_shows_the_plain_text(browser: Browser, url: str) -> None:
    with tab(browser, url) as page:
        finish(page, "hello")
        reply = page.locator(REPLY).first
        expect(reply.locator(".katex")).to_have_count(3, timeout=10_000)
        expect(reply.locator("table td")).to_have_count(2)
        expect(reply.get_by_test_id("stCode")).to_have_text('print(":material/home:")')
        expect(reply.locator("ol")).to_have_count(2)
        assert "It costs $5 to $10, for" in reply.inner_text()
        reply.get_by_test_id("stCode").hover()
        reply.get_by_label("Copy to clipboard").dispatch_event("click")
        page.wait_for_timeout(500)
        assert page.evaluate("navigator.clipboard.readText()") == 'print(":material/home:")'
        assert "A table, code" not in reply.inner_text()
        reply.get_by_text("Thought · ").click()
        expect(reply.get_by_text("A table, code and a formula.")).to_be_visible(timeout=10_000)
        page.get_by_text("Plain text", exact=True).click()
        expect(reply.get_by_test_id("stText")).to_have_text(USUAL.strip(), timeout=10_000)


def test_an_answer_behind_a_point_is_read_where_its_row_is_chosen(visit: Visit) -> None:
    page = visit("/results")
    page.get_by_text("One run", exact=True).click()
    expect(page.get_by_text("Choose a row to read its answer.")).to_be_visible(timeout=20_000)
    box = settled(page).get_by_test_id("stDataFrame").bounding_box()
    assert box
    page.mouse.click(box["x"] + 12, box["y"] + 55)
    expect(page.locator(REPLY)).to_have_count(1, timeout=10_000)
