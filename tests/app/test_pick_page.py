from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from data.settings import OPERATOR_TOKEN as TOKEN
from tests.app.test_compare_page import captions, open_app, wait_for
from tests.benchmarks.made_ladders import LADDER, graded, outcome

WORDS = "the-token-of-this-test"


@pytest.fixture
def results(scripted_app: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TOKEN.name, WORDS)
    return tmp_path / "results"


def open_pick() -> AppTest:
    app = open_app()
    app.session_state["operator_token"] = WORDS
    app.switch_page("app_pages/pick.py").run()
    assert not app.exception
    return app


def verdict(app: AppTest) -> str:
    return "\n".join(each.value for each in (*app.success, *app.warning))


def test_a_visitor_is_told_whose_page_it_is(results: Path) -> None:
    outcome(q4_0=graded(-2)).save(results / "pick-one")
    app = open_app().switch_page("app_pages/pick.py").run()
    assert "begun by the operator" in app.info[0].value and not app.slider


def test_the_pick_moves_with_the_budget_at_once(results: Path) -> None:
    outcome(q4_0=graded(-2), q8_0=graded(0)).save(results / "pick-one")
    app = open_pick()
    assert "Ship q4" in verdict(app)
    app.select_slider(key="pick_kl_pick-one").set_value(0.01).run()
    assert "Ship q8" in verdict(app)
    app.slider(key="pick_speed_pick-one").set_value(25).run()
    assert "Nothing keeps the budget; q8" in verdict(app)


def test_a_loss_that_was_shown_is_borne_where_the_slider_says_so(results: Path) -> None:
    outcome(q4_0=graded(-12, p_value=0.01), q8_0=graded(0)).save(results / "pick-one")
    app = open_pick()
    assert "Ship q8" in verdict(app)
    app.slider(key="pick_loss_pick-one").set_value(13.0).run()
    assert "Ship q4" in verdict(app)


def test_how_to_serve_stands_only_by_the_file_that_is_there(results: Path) -> None:
    outcome(q4_0=graded(-2), q8_0=graded(0)).save(results / "pick-one")
    app = open_pick()
    assert "llama-server -m /models/tuned.q4_0.gguf" in app.code[0].value
    app.select_slider(key="pick_kl_pick-one").set_value(0.01).run()
    assert not app.code


def test_a_ladder_that_has_only_its_first_file_is_shown(results: Path) -> None:
    replace(outcome(), arms=tuple(LADDER[:1]), path="").save(results / "pick-one")
    app = open_pick()
    assert "Ship f16" in verdict(app) and len(app.dataframe[0].value) == 1


def test_a_broken_ladder_is_one_line(results: Path) -> None:
    (results / "pick-one").mkdir(parents=True)
    (results / "pick-one" / "pick.json").write_text("{")
    assert "pick.json" in verdict(open_pick())


@pytest.mark.slow
def test_a_ladder_that_dies_says_why_and_another_may_begin(results: Path) -> None:
    app = open_pick()
    app.number_input(key="pick_prompts").set_value(4)
    app.button(key="pick_start").click().run()
    wait_for(app, lambda app: not app.button(key="pick_start").disabled and bool(app.warning))
    assert "alpha" in verdict(app) or "error" in verdict(app)
    assert len(runtime.pick_jobs().jobs()) == 1


def test_without_a_quantization_nothing_is_begun(results: Path) -> None:
    app = open_pick()
    app.button_group(key="pick_quants").set_value([])
    app.button(key="pick_start").click().run()
    assert app.error[0].value == "no quantization is chosen; choose at least one"
    assert "Each file is made" in captions(app) and runtime.pick_jobs().jobs() == []
