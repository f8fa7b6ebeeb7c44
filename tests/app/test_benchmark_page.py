import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from app.results.estimates import Plan
from data.settings import OPERATOR_TOKEN as TOKEN
from tests.app.test_compare_page import open_app, wait_for
from tests.gguf_bytes import model_bytes


def shows(words: str) -> Callable[[AppTest], bool]:
    return lambda app: any(words in each.value for each in app.markdown)


@pytest.mark.slow
def test_a_run_is_counted_drawn_and_cancelled(
    scripted_app: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN.name, "the-token-of-this-test")
    model = tmp_path / "slow.json"
    model.write_text(json.dumps({"reply": "word " * 20, "pace_s": 0.02}))
    app = open_app()
    app.session_state["operator_token"] = "the-token-of-this-test"
    jobs = runtime.benchmark_jobs()
    name = jobs.start(Plan(models=(str(model),), suites=("core",), limit=100, condition="timed-cold"))
    app.switch_page("app_pages/benchmark.py").run()
    wait_for(app, lambda app: "bench_charts" in app.session_state and name in app.session_state["bench_charts"])
    _, drawn, _ = app.session_state["bench_charts"][name]
    app.run()
    assert app.button(key="bench_start").disabled
    assert shows("running")(app) and app.session_state["bench_charts"][name][1] == drawn > 0
    app.button(key=f"cancel_{name}").click().run()
    wait_for(app, shows("stopped"))
    assert app.button(key=f"resume_{name}")


def test_a_model_added_on_the_models_page_can_be_chosen(
    scripted_app: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN.name, "the-token-of-this-test")
    (tmp_path / "mine.gguf").write_bytes(model_bytes(8000))
    app = open_app()
    app.session_state["operator_token"] = "the-token-of-this-test"
    app.switch_page("app_pages/models.py").run()
    app.text_input(key="add_path").set_value(str(tmp_path / "mine.gguf"))
    next(button for button in app.button if button.label == "Add the file").click().run()
    app.switch_page("app_pages/benchmark.py").run()
    assert "Tiny" in app.button_group(key="bench_models").options
