import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config import Config
from benchmarks.likelihood import main
from benchmarks.measure.likelihood import PER_BYTE, measure_likelihood
from benchmarks.measure.models import find_models
from benchmarks.runs.read import RunError, read_run
from data.paths import ROOT
from data.suites.multiple_choice import load_choices

QUESTIONS = [
    {"beginning": "The sky is", "choices": ["blue", "a kind of cheese"], "right": 0},
    {"beginning": "A cat has", "choices": ["wheels and a horn", "four legs"], "right": 1},
    {"beginning": "Two and two are", "choices": ["a word of many letters indeed", "four"], "right": 0},
]


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "own.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in QUESTIONS))
    return path


def script(folder: Path, name: str, *likely: str) -> str:
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"likely": likely}))
    return str(path)


def config(*models: str, **changes: Any) -> Config:
    return Config(
        name="likelihood", models=models, suites=("own",), conditions=("batched",), engine="scripted", **changes
    )


def measured(questions: Path, out: Path, *models: str, **changes: Any) -> list[Any]:
    settings = config(*models, **changes)
    found = find_models(settings, lambda text: None)
    directories = measure_likelihood(settings, load_choices(str(questions)), found, out, sys.stderr)
    return [row for each in directories for row in read_run(each).rows]


def test_the_likeliest_choice_is_the_answer_by_sum_and_by_byte(questions: Path, tmp_path: Path) -> None:
    rows = measured(questions, tmp_path / "run", script(tmp_path, "one", "blue", "four legs"))
    told = {(row.suite, row.prompt_id): (row.answer, row.grade) for row in rows}
    assert told == {
        ("own", "1"): ("blue", 1.0),
        ("own", "2"): ("four legs", 1.0),
        ("own", "3"): ("four", 0.0),  # the short one is likelier as a whole
        (f"own{PER_BYTE}", "1"): ("blue", 1.0),
        (f"own{PER_BYTE}", "2"): ("four legs", 1.0),
        (f"own{PER_BYTE}", "3"): ("a word of many letters indeed", 1.0),
    }
    runs = [read_run(tmp_path / name) for name in ("run", f"run{PER_BYTE}")]
    assert all(run.finished and len(run.rows) == 3 for run in runs)  # no question twice in one


def test_the_same_run_goes_on_and_another_is_refused(questions: Path, tmp_path: Path) -> None:
    model = script(tmp_path, "one", "blue")
    measured(questions, tmp_path / "run", model)
    samples = tmp_path / "run" / "samples.jsonl"
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:1]))
    again = [(row.suite, row.prompt_id) for row in measured(questions, tmp_path / "run", model)]
    assert sorted(again) == [(suite, str(n)) for suite in ("own", f"own{PER_BYTE}") for n in (1, 2, 3)]
    with pytest.raises(RunError, match="a run of other questions or settings"):
        measured(questions, tmp_path / "run", model, context_tokens=512)


def test_the_second_run_stands_beside_the_first_wherever_that_is(
    questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    assert len(measured(questions, Path(), script(tmp_path, "one"))) == 6
    assert read_run(tmp_path / f"here{PER_BYTE}").finished


def test_a_question_too_long_for_the_context_is_a_row_with_its_error(questions: Path, tmp_path: Path) -> None:
    questions.write_text(json.dumps({"beginning": "word " * 300, "choices": ["a", "b"], "right": 0}) + "\n")
    rows = measured(questions, tmp_path / "run", script(tmp_path, "one"), context_tokens=256)
    assert len(rows) == 2 and all("the context holds 256" in (row.error or "") and row.grade is None for row in rows)


@pytest.mark.slow
def test_two_models_are_compared_and_the_command_says_all(
    embedded_model: Path, tiny_model: Path, questions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(questions), str(embedded_model), str(tiny_model), "--out", str(tmp_path / "run"), "--json"]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    shares = {(each["model"], each["suite"]): each for each in told["shares"]}
    assert len(shares) == 4 and {each["n"] for each in shares.values()} == {3}
    assert {each["suite"] for each in told["compared"]} == {"own", f"own{PER_BYTE}"}


@pytest.mark.slow
@pytest.mark.skipif(not (ROOT / ".venv-peers").exists(), reason="no lm-eval; install it with: make peers")
def test_answers_and_log_likelihoods_are_those_of_lm_evals_own_model(embedded_model: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "lm_eval_choices.py"), str(embedded_model), "--limit", "40"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    told = json.loads(result.stdout.splitlines()[-1])
    assert told["questions"] == 40
    assert told["largest_gap"] < 0.1
    assert all(each["margin"] < 0.1 for each in told["differ"])
    for ours, theirs in told["points"].values():
        assert abs(ours - theirs) <= 0.5 + 2.5 * len(told["differ"])
