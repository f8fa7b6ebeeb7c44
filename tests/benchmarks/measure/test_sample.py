import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.config import Config
from benchmarks.engine.contract import EngineError, LoadOptions
from benchmarks.engine.scripted import ScriptedEngine
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.machine_state import Counters
from benchmarks.measure.models import ModelUnderTest
from benchmarks.measure.sample import measure, request_for
from benchmarks.measure.schedule import Trial
from benchmarks.runs.read import FIXED_SHAPE
from data.message import Message
from data.suites.prompts import Prompt

CONFIG = Config(name="x", models=("m",), suites=("core",), fixed_prefill_tokens=6, fixed_decode_tokens=4)
PROMPT = Prompt(
    id="p1",
    kind="facts",
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Capital of France?")),
    grader={"name": "keywords", "all_of": ["Paris"]},
    max_tokens=6,
    right="Paris",
    wrong="Lyon",
)
ASKED = Trial(
    model="m", suite="core", prompt=PROMPT, prompt_id="p1", kind="facts", condition="timed-cold", repetition=0, seed=1
)
FIXED = Trial(
    model="m",
    suite=FIXED_SHAPE,
    prompt=None,
    prompt_id="pp6-tg4",
    kind=FIXED_SHAPE,
    condition="timed-cold",
    repetition=0,
    seed=1,
)


def script(tmp_path: Path, **facts: Any) -> Path:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(facts))
    return path


def loaded(tmp_path: Path, **facts: Any) -> ModelUnderTest:
    path = script(tmp_path, **facts)
    model = ModelUnderTest(id="m", sha256="ab", open_engine=lambda: ScriptedEngine(path, LoadOptions()))
    model.load()
    return model


def moment(**changes: Any) -> Counters:
    facts = dict.fromkeys(("steal_ticks", "total_ticks", "throttled", "run_ns", "wait_ns", "load_1m"))
    return Counters(**{**facts, **changes})


def test_a_sample_is_timed_graded_and_keyed(tmp_path: Path) -> None:
    model = loaded(tmp_path, reply="It is Paris .", decode_tok_per_s=50, prefill_tok_per_s=500)
    row = measure(ASKED, model, CONFIG)
    assert row.error is None
    assert (row.grade, row.answer, row.finish_reason, row.truncated) == (1, "It is Paris .", "stop", False)
    assert row.decode_tok_per_s == pytest.approx(50) and row.prefill_tok_per_s == pytest.approx(500)
    assert row.key == ("ab", "", "core", "p1", "timed-cold", 0, 1)
    assert row.prompt_tokens == row.prefill_tokens == 5
    assert row.prompt_sha256 is not None and row.completion_characters == len("It is Paris .")


def test_an_answer_cut_by_its_limit_is_truncated_and_still_graded(tmp_path: Path) -> None:
    row = measure(ASKED, loaded(tmp_path, reply="Well let me see now I think Paris"), CONFIG)
    assert (row.truncated, row.finish_reason, row.grade) == (True, "length", 0)
    assert row.completion_tokens == 6


def test_an_engine_that_does_not_know_its_times_leaves_them_empty(tmp_path: Path) -> None:
    row = measure(ASKED, loaded(tmp_path, reply="Paris"), CONFIG)
    assert (row.decode_s, row.ttft_s, row.decode_tok_per_s) == (None, None, None)
    assert row.grade == 1


def test_the_fixed_shape_has_its_tokens_and_no_grade(tmp_path: Path) -> None:
    row = measure(FIXED, loaded(tmp_path, decode_tok_per_s=50, prefill_tok_per_s=500), CONFIG)
    assert (row.prefill_tokens, row.decode_tokens) == (6, 4)
    assert (row.grade, row.answer, row.truncated, row.error) == (None, None, False, None)


def test_timed_requests_are_cold_and_all_keep_the_lower_token_limit() -> None:
    shorter = Config(name="x", models=("m",), suites=("core",), max_tokens=3)
    assert request_for(ASKED, CONFIG, 1000).cold and request_for(FIXED, CONFIG, 1000).cold
    assert not request_for(dataclasses.replace(ASKED, condition="batched"), CONFIG, 1000).cold
    assert request_for(ASKED, CONFIG, 1000).sampling.max_tokens == 6
    assert request_for(ASKED, shorter, 1000).sampling.max_tokens == 3
    assert request_for(FIXED, CONFIG, 1000).prompt_tokens == request_for(FIXED, CONFIG, 1000).prompt_tokens


def test_template_switches_are_read_as_toml_and_go_with_every_prompt() -> None:
    texts = ("enable_thinking=false", "thinking_budget = 100", "reasoning_effort=high", 'tone="dry"')
    config = dataclasses.replace(CONFIG, template_switches=texts)
    expected = (("enable_thinking", False), ("thinking_budget", 100), ("reasoning_effort", "high"), ("tone", "dry"))
    assert request_for(ASKED, config, 1000).sampling.template_switches == expected
    assert request_for(ASKED, CONFIG, 1000).sampling.template_switches == ()


def test_a_prompt_that_was_not_read_again_is_an_error_and_not_graded(tmp_path: Path) -> None:
    class Caching(ScriptedEngine):
        def submit(self, request: Any) -> int:
            return super().submit(type(request)(messages=request.messages, sampling=request.sampling))

    path = script(tmp_path, reply="Paris")
    model = ModelUnderTest(id="m", sha256="ab", open_engine=lambda: Caching(path, LoadOptions()))
    model.load()
    measure(ASKED, model, CONFIG)
    row = measure(ASKED, model, CONFIG)
    assert row.error is not None and row.error.startswith("not cold: 1 of 5 prompt tokens")
    assert row.grade is None


def test_a_model_that_cannot_load_gives_rows_that_say_so() -> None:
    def fails() -> ScriptedEngine:
        raise EngineError("needs 9 GB of memory")

    model = ModelUnderTest(id="m", sha256="ab", open_engine=fails)
    model.load()
    row = measure(ASKED, model, CONFIG)
    assert (row.error, row.grade, row.answer) == ("needs 9 GB of memory", None, None)
    assert measure(FIXED, model, CONFIG).error == "needs 9 GB of memory"


def test_a_prompt_longer_than_the_context_is_an_error_of_that_sample_only(tmp_path: Path) -> None:
    path = script(tmp_path, reply="Paris")
    options = LoadOptions(context_tokens=5)
    model = ModelUnderTest(id="m", sha256="ab", open_engine=lambda: ScriptedEngine(path, options))
    model.load()
    row = measure(ASKED, model, CONFIG)
    assert row.error is not None and "the context holds 5" in row.error
    assert model.restarts == 0


def test_what_disturbed_a_sample_is_in_its_row(tmp_path: Path) -> None:
    moments = iter(
        [
            moment(steal_ticks=0, total_ticks=0, throttled=1, run_ns=0, wait_ns=0, load_1m=2.0),
            moment(steal_ticks=5, total_ticks=100, throttled=3, run_ns=60, wait_ns=40, load_1m=3.0),
        ]
    )
    row = measure(ASKED, loaded(tmp_path, reply="Paris"), CONFIG, look=lambda pid: next(moments))
    assert (row.steal_share, row.throttled, row.cpu_wait_share, row.load_1m) == (0.05, 2, 0.4, 2.0)
    assert row.noisy


def test_a_worker_that_dies_is_started_again_and_the_next_sample_works(tmp_path: Path) -> None:
    path = script(tmp_path, reply="one two three", die_after_tokens=2)
    model = ModelUnderTest(
        id="m", sha256="ab", open_engine=lambda: WorkerEngine(path, LoadOptions(), engine="scripted")
    )
    model.load()
    try:
        first = measure(ASKED, model, CONFIG)
        path.write_text(json.dumps({"reply": "Paris"}))
        second = measure(ASKED, model, CONFIG)
    finally:
        model.close()
    assert first.error is not None and "SIGKILL" in first.error
    assert (second.error, second.grade, model.restarts) == (None, 1, 1)
    assert first.pid != second.pid
    assert model.peak_rss_bytes is not None and model.peak_rss_bytes > 1e6


def test_a_depth_reads_so_many_tokens_before_it_times_decoding(tmp_path: Path) -> None:
    model = loaded(tmp_path, decode_tok_per_s=50, prefill_tok_per_s=500)
    for depth, read in ((0, 1), (40, 40)):
        row = measure(dataclasses.replace(FIXED, suite="depth", shape=(depth, 8)), model, CONFIG)
        assert (row.prefill_tokens, row.decode_tokens, row.error) == (read, 8, None)


def test_a_warm_sample_finds_its_prompt_in_the_cache(tmp_path: Path) -> None:
    warm = dataclasses.replace(ASKED, condition="warm")
    row = measure(warm, loaded(tmp_path, reply="Paris", decode_tok_per_s=50, prefill_tok_per_s=500), CONFIG)
    assert (row.prompt_tokens, row.prefill_tokens, row.grade, row.error) == (5, 1, 1, None)
    assert row.condition == "warm"


def test_a_warm_sample_whose_prompt_was_read_again_is_an_error(tmp_path: Path) -> None:
    class Forgetful(ScriptedEngine):
        def submit(self, request: Any) -> int:
            return super().submit(dataclasses.replace(request, cold=True))

    path = script(tmp_path, reply="Paris")
    model = ModelUnderTest(id="m", sha256="ab", open_engine=lambda: Forgetful(path, LoadOptions()))
    model.load()
    row = measure(dataclasses.replace(ASKED, condition="warm"), model, CONFIG)
    assert row.error is not None and row.error.startswith("not warm: 5 of 5 prompt tokens")
