import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks.analysis.figures import machine_of
from benchmarks.runs.load import write_load
from benchmarks.runs.on_disk import load_runs
from data.paths import ROOT
from tests.benchmarks.runs.test_load import made_curve

COMMITTED = ROOT / "benchmarks" / "results"
SMOKE = COMMITTED / "smoke-20261124-023507"
PAGES = ("compare", "results", "arena", "models", "benchmark", "pick", "method")
Script = Callable[..., None]
R8, R16 = (f"SmolLM2 135M · LoRA r{rank} · Q8_0" for rank in (8, 16))  # as the newest run calls them


def open_page(name: str, **state: object) -> AppTest:
    app = AppTest.from_file(ROOT / "app" / "streamlit_app.py", default_timeout=60).run()
    for key, value in state.items():
        app.session_state[key] = value
    app.switch_page(f"app_pages/{name}.py").run()
    assert not app.exception
    return app


def open_view(name: str) -> AppTest:
    return open_page("results", results_view=name)


def charts(app: AppTest) -> list[str]:
    return [chart.proto.spec for chart in app.get("vega_lite_chart")]


@pytest.fixture
def committed(scripted_app: Script, tmp_path: Path) -> Path:
    return Path(shutil.copytree(COMMITTED, tmp_path / "results"))


@pytest.fixture
def smoke(scripted_app: Script, tmp_path: Path) -> Path:
    """One small run, for what other runs do not change."""
    return Path(shutil.copytree(SMOKE, tmp_path / "results" / "smoke"))


def test_without_a_run_the_page_says_how_to_make_one(scripted_app: Script) -> None:
    assert "python -m benchmarks.run" in open_page("results").info[0].value


@pytest.mark.slow
def test_the_overview_draws_cost_against_quality_and_the_square_of_size_and_rank(committed: Path) -> None:
    app = open_page("results")
    drawn = charts(app)
    assert "decode_tok_per_s" in drawn[0] and "accuracy" in drawn[0] and '"picked"' in drawn[0]
    assert any("LoRA rank" in chart for chart in drawn)
    assert {R8, R16, "small·r8", "small·r16"} <= set(app.dataframe[0].value["label"])
    app.selectbox(key="results_axis").set_value("file_size_bytes").run()
    assert "File size (MB)" in charts(app)[0]


@pytest.mark.slow
def test_filters_leave_the_models_and_prompts_that_are_chosen(committed: Path) -> None:
    app = open_page("results", filter_ranks=["16"], filter_suites=["reasoning"])
    labels = set(app.dataframe[0].value["label"])
    assert {R16, "small·r16"} <= labels and all("r16" in label for label in labels)


@pytest.mark.slow
def test_speeds_come_from_the_machine_that_is_chosen_else_from_the_one_that_timed_most(committed: Path) -> None:
    usual, other = str(machine_of(load_runs([committed]).runs)), "AMD EPYC, 2 threads, avx512"
    app = open_page("results")
    default = app.dataframe[0].value.set_index("label")["decode_tok_per_s"][R16]
    found = {}
    for machine in (usual, other):
        app.session_state["filter_machine"] = machine
        app.run()
        table = app.dataframe[0].value.set_index("label")
        assert table["n"][R16] > 1000
        found[machine] = table["decode_tok_per_s"][R16]
    assert found[usual] == default and found[other] > 1.25 * default


@pytest.mark.slow
def test_two_models_get_a_verdict_their_flips_and_the_way_from_the_base(committed: Path) -> None:
    app = open_view("Two models")
    app.selectbox(key="pair_a").set_value("smollm2-135m-r8").run()
    app.selectbox(key="pair_b").set_value("smollm2-135m").run()
    assert not app.exception
    shown = "\n".join(text.value for text in app.text)
    assert "full·r8" in shown and "points" in shown and "n=" in shown
    assert any("prompts only full·r8 got right" in caption.value for caption in app.caption)
    badges = " ".join(badge.value for badge in app.markdown)
    assert "Right" in badges and "Wrong" in badges
    app.selectbox(key="pair_b").set_value("smollm2-135m-r8").run()
    assert any("two different models" in caption.value for caption in app.caption)


@pytest.mark.slow
def test_run_against_run_finds_only_noise_between_a_run_and_itself(smoke: Path) -> None:
    again = Path(shutil.copytree(smoke, smoke.with_name("again")))
    manifest = json.loads((again / "run.json").read_text())
    later = {"run_id": again.name, "created_at": "2027-01-01T00:00:00+00:00"}
    (again / "run.json").write_text(json.dumps({**manifest, **later}))
    app = open_view("Run against run")
    assert not app.exception
    assert set(app.dataframe[0].value["Verdict"]) == {"noise"}


@pytest.mark.slow
def test_one_run_has_its_answers_and_its_hardware(smoke: Path) -> None:
    app = open_view("One run")
    assert {"wrong", "right"} <= set(app.dataframe[0].value["result"])
    app.session_state["method_one"] = True
    app.run()
    assert "machine" in app.json[0].value


@pytest.mark.slow
def test_a_broken_run_is_named_and_the_others_are_shown(smoke: Path) -> None:
    (smoke.parent / "broken").mkdir()
    (smoke.parent / "broken" / "run.json").write_text("{")
    app = open_page("results")
    assert len(app.warning) == 1 and "broken/run.json" in app.warning[0].value
    assert app.dataframe


def test_the_method_page_says_to_each_claim_what_the_runs_say(committed: Path) -> None:
    shown = [text.value for text in open_page("method").text]
    assert len(shown) == 6
    assert any("points [" in text for text in shown) and any("× as fast as" in text for text in shown)


@pytest.mark.timing
@pytest.mark.slow
def test_every_page_renders_within_a_second_from_warm_with_a_hundred_runs(committed: Path) -> None:
    manifest, rows = json.loads((SMOKE / "run.json").read_text()), (SMOKE / "samples.jsonl").read_text()
    for number in range(97):
        copy = committed / f"copy-{number:03}"
        copy.mkdir()
        (copy / "run.json").write_text(json.dumps({**manifest, "run_id": copy.name}))
        (copy / "samples.jsonl").write_text(rows)
    app = open_page("results")
    for name in PAGES:
        app.switch_page(f"app_pages/{name}.py").run()
        times = []
        for _ in range(2):
            started = time.perf_counter()
            app.run()
            times.append(time.perf_counter() - started)
        assert not app.exception
        assert min(times) < 1, f"{name}: {min(times):.2f} s"


def test_load_curves_are_drawn_by_place_with_their_sentences(scripted_app: Script, tmp_path: Path) -> None:
    shutil.copytree(SMOKE, tmp_path / "results" / "smoke")
    for name, server in (("alpha", None), ("beta", None), ("far", "there:80")):
        curve = made_curve(40.0, 22.0, 6.0, model=name, server=server)
        write_load(tmp_path / "results" / "load" / f"{name}.json", curve)
    (tmp_path / "results" / "load" / "broken.json").write_text("{")
    app = open_page("results")
    drawn = [chart for chart in charts(app) if "Users at once" in chart]
    assert len(drawn) == 2 and "Alpha" in drawn[0] and "far" not in drawn[0]
    said = [text.value for text in app.text]
    assert "This machine serves 2 users of Alpha at 10 tok/s each." in said
    assert "There:80 serves 2 users of far at 10 tok/s each, as served." in said
    assert any("broken.json" in warning.value for warning in app.warning)
