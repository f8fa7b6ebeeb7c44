import shutil
from collections.abc import Callable
from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = ROOT / "benchmarks" / "results"
Script = Callable[..., None]


def open_results() -> AppTest:
    app = AppTest.from_file(ROOT / "app" / "streamlit_app.py", default_timeout=60).run()
    app.switch_page("app_pages/results.py").run()
    assert not app.exception
    return app


def test_without_a_run_the_page_says_how_to_make_one(scripted_app: Script) -> None:
    assert "python -m benchmarks.run" in open_results().info[0].value


def test_the_committed_run_is_drawn_with_every_sample_behind_it(scripted_app: Script, tmp_path: Path) -> None:
    shutil.copytree(COMMITTED, tmp_path / "results")
    app = open_results()
    chart = app.get("vega_lite_chart")[0].proto.spec
    assert "decode_tok_per_s" in chart and "accuracy" in chart
    points, samples = (table.value for table in app.dataframe)
    assert len(points) == 5
    assert len(samples) >= 24
    assert {"wrong", "right"} <= set(samples["result"])


def test_a_broken_run_is_named_and_the_others_are_shown(scripted_app: Script, tmp_path: Path) -> None:
    shutil.copytree(COMMITTED, tmp_path / "results")
    broken = tmp_path / "results" / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{")
    app = open_results()
    assert len(app.warning) == 1 and "broken/run.json" in app.warning[0].value
    assert app.dataframe
