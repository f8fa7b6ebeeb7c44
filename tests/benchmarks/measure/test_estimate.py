"""What a run will cost: from its own answers where there are some, else from others', else from the limits."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config import Config
from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.scripted import ScriptedEngine
from benchmarks.measure.estimate import Cost, cost_table, estimate
from benchmarks.measure.models import ModelUnderTest
from benchmarks.runs.read import Row, Run
from data.message import Message
from data.suites.prompts import Prompt, Suite
from tests.benchmarks.made_runs import made_row, made_run

HERE = "a CPU, 2 threads"
PROMPTS = tuple(
    Prompt(
        id=f"p{place}",
        kind="facts",
        messages=(Message(role="user", content="x" * 80),),
        grader={"name": "exact", "answers": ["x"]},
        max_tokens=200,
    )
    for place in range(4)
)
SUITE = Suite(name="core", prompts=PROMPTS, sha256="0")
CONFIG = Config(name="x", models=("m",), suites=("core",), conditions=("timed-cold", "batched"))


def model(tmp_path: Path) -> ModelUnderTest:
    script = tmp_path / "script.json"
    script.write_text('{"prefill_tok_per_s": 1000, "decode_tok_per_s": 10}')
    return ModelUnderTest(id="m", sha256="sha-m", open_engine=lambda: ScriptedEngine(script, LoadOptions()))


def told(tmp_path: Path, *runs: Run, config: Config = CONFIG) -> dict[str, Cost]:
    return {each.condition: each for each in estimate(config, [SUITE], [model(tmp_path)], runs, HERE)}


def batched(model: str, **changes: Any) -> list[Row]:
    """Answers of 21 tokens to prompts of 50; the first begins at 0 s, the last ends at 2 s."""
    return [made_row(model, place, total_s=2.0, **changes) for place in range(4)]


def test_a_model_that_was_never_run_is_timed_now_and_its_limits_count(tmp_path: Path) -> None:
    cost = told(tmp_path)["timed-cold"]
    assert (cost.samples, cost.read, cost.written, cost.written_from) == (4, 4 * 50, 4 * 200, "the limits (4)")
    assert cost.rates and cost.rates.source == "measured just now, briefly"
    assert cost.seconds == pytest.approx(200 / 1000 + 800 / 10)
    assert "at most" in cost_table([told(tmp_path)["batched"]])


def test_its_own_answers_and_rates_of_this_machine_come_first(tmp_path: Path) -> None:
    earlier = made_run(batched("m"), [made_row("m", place, condition="timed-cold") for place in range(4)])
    found = told(tmp_path, earlier)
    assert found["timed-cold"].written_from == "its own answers (4)"
    assert (found["timed-cold"].read, found["timed-cold"].written) == (200, 84)
    assert found["timed-cold"].seconds == pytest.approx(200 / 500 + 84 / 100)
    assert found["batched"].seconds == pytest.approx(2.0)
    assert "at most" not in cost_table(list(found.values())) and "measured in r" in cost_table(list(found.values()))


def test_a_pause_between_two_sessions_is_no_work(tmp_path: Path) -> None:
    later = [
        replace(row, started_at="2026-01-02T00:00:00+00:00", prompt_id=f"q{row.prompt_id}") for row in batched("m")
    ]
    alone = [made_row("m", place, condition="timed-cold") for place in range(4)]
    rates = told(tmp_path, made_run(batched("m"), later, alone))["batched"].rates
    assert rates and rates.batched == pytest.approx(8 * 71 / 4)
    broken = [replace(row, started_at="yesterday") for row in batched("m")]
    assert told(tmp_path, made_run(broken, alone))["batched"].rates


def test_other_models_answers_stand_in_and_rates_of_another_machine_do_not(tmp_path: Path) -> None:
    elsewhere = made_run(batched("other"), [made_row("m", 9, condition="timed-cold")], cpu="another CPU")
    cost = told(tmp_path, elsewhere)["batched"]
    assert (cost.written, cost.written_from) == (84, "other models' answers (4)")
    assert cost.rates and cost.rates.source == "measured just now, briefly"


def test_answers_that_were_cut_say_nothing_of_how_long_they_would_be(tmp_path: Path) -> None:
    assert told(tmp_path, made_run(batched("m", truncated=True)))["batched"].written_from == "the limits (4)"


def test_the_limit_of_the_run_is_the_most_that_is_written(tmp_path: Path) -> None:
    assert told(tmp_path, config=dataclasses.replace(CONFIG, max_tokens=5))["batched"].written == 20
