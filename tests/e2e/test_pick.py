"""The operator moves a ladder's budget, and the pick follows; on a phone, too."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.benchmarks.made_ladders import graded, outcome
from tests.e2e.actions import become_operator, settled
from tests.e2e.conftest import OPERATOR_TOKEN, ScriptedApp
from tests.e2e.test_looks import PHONE, TARGETS, findings

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (PHONE, False)])
def test_the_pick_moves_with_a_slider_and_the_page_is_accessible(
    visit: Callable[..., Page], scripted: ScriptedApp, width: int, dark: bool
) -> None:
    outcome(q4_0=graded(-2), q8_0=graded(0)).save(scripted.folder / "results" / "pick-made")
    page = visit("/models", dark=dark)
    become_operator(page, OPERATOR_TOKEN)
    page.get_by_role("link", name="Pick").click()
    page.set_viewport_size({"width": width, "height": 900})
    expect(page.get_by_role("img", name="q4_0: 30.0 tokens/s, KL 0.04, picked")).to_be_visible(timeout=30_000)
    assert findings(settled(page)) == []
    if width == PHONE:
        assert page.evaluate(TARGETS) == []
        assert page.get_by_test_id("stMain").evaluate("it => it.scrollWidth") <= PHONE
    page.get_by_role("slider", name="Mean KL divergence, at most").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("img", name="q8_0: 18.0 tokens/s, KL 0.001, picked")).to_be_visible(timeout=15_000)
