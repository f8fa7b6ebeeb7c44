import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.answers_per_hour import main
from benchmarks.engine.contract import EngineError
from benchmarks.measure import answers_per_hour
from benchmarks.measure.answers_per_hour import REPLY_TOKENS, Pass, batched_bench, different_prompts, summed, table
from data.errors import SuiteError
from data.suites.prompts import load_suite


def passes(*seconds: float) -> list[Pass]:
    return [Pass(seconds=each, prompt_tokens=100, completion_tokens=256) for each in seconds]


def tool(tmp_path: Path, script: str) -> Path:
    path = tmp_path / "llama-batched-bench"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_gains_are_of_neighbouring_rounds_and_rates_are_an_hours() -> None:
    found = summed("m", 2, 8, 2, passes(1.0, 2.0, 4.0), passes(3.0, 5.0, 8.0), passes(0.8, 1.5, 3.0))
    assert (found.answers_per_hour, found.alone_per_hour, found.gain) == (3600, 1440, 2.5)
    assert found.tok_per_s == 128 and found.ratio_to_batched_bench == pytest.approx(0.75)
    assert "| 3600 | 1440 | 2.50× | 128.0 |" in table([found])
    assert summed("m", 2, 8, 2, passes(1.0), passes(2.0), []).ratio_to_batched_bench is None


def test_llama_batched_bench_is_asked_for_the_same_shape_and_read(tmp_path: Path) -> None:
    row = json.dumps({"pl": 4, "t_pp": 1.0, "t_tg": 3.0, "t": 4.0, "speed_tg": 170.0})
    fake = tool(tmp_path, f"echo \"$@\" > {tmp_path}/asked\necho 'main: noise'\necho '{row}'")
    found = batched_bench(fake, Path("m.gguf"), 50, 4, 2)
    assert (found.seconds, found.completion_tokens) == (4.0, 4 * REPLY_TOKENS)
    asked = (tmp_path / "asked").read_text()
    assert "-npp 50 -ntg 128 -npl 4" in asked and "-t 2" in asked and f"-c {179 * 4}" in asked


def test_a_tool_that_fails_or_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(EngineError, match="failed with exit code 3: out of luck"):
        batched_bench(tool(tmp_path, "echo out of luck >&2; exit 3"), Path("m.gguf"), 50, 4, 2)
    for arguments, wanted in (
        (["m", "--prompts", "0"], "argument --prompts: '0' is not a whole number of at least 1"),
        (["m", "--against-llama-batched-bench", "/none"], "make it with `make llama-bench`"),
    ):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert wanted in capsys.readouterr().err
    assert main(["nobody"]) == 1
    assert "unknown model 'nobody'" in capsys.readouterr().err


def test_the_sides_take_turns_and_the_tool_follows_each_pass_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []

    def side(name: str) -> Pass:
        order.append(name)
        return passes(1.0)[0]

    class Alone:
        def __init__(self, path: Path, threads: int) -> None: ...
        def __enter__(self) -> "Alone":
            return self

        def __exit__(self, *_: object) -> None: ...
        def complete(self, prompts: object) -> Pass:
            return side("alone")

    monkeypatch.setattr(answers_per_hour, "WorkerEngine", lambda *_: SimpleNamespace(close=lambda: None))
    monkeypatch.setattr(answers_per_hour, "ReferenceProcess", Alone)
    monkeypatch.setattr(answers_per_hour, "quality_pass", lambda *_: side("ours"))
    monkeypatch.setattr(answers_per_hour, "batched_bench", lambda *_: side("tool"))
    there = str(tool(tmp_path, ""))
    assert main(["m.gguf", "--repetitions", "2", "--against-llama-batched-bench", there]) == 0
    assert order[2:] == ["ours", "tool", "alone", "alone", "ours", "tool"]  # after one warm-up of each


def test_no_prompt_is_asked_in_two_rounds() -> None:
    first, second = different_prompts(load_suite("core"), 16, 2)
    assert len({prompt.id for prompt in (*first, *second)}) == 32
    assert len({prompt.kind for prompt in first}) == 8
    with pytest.raises(
        SuiteError, match="3 rounds of 16 different prompts need 48, suite 'report' has 2; give a lower"
    ):
        different_prompts(load_suite("report"), 16, 3)


@pytest.mark.slow
def test_both_sides_write_replies_of_exactly_128_tokens_to_the_same_prompts(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tiny_model), "--prompts", "2", "--sequences", "2", "--repetitions", "1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out.splitlines()[-1])["models"]
    (ours,), (alone,) = found["ours"], found["alone"]
    assert ours["completion_tokens"] == alone["completion_tokens"] == 2 * REPLY_TOKENS
    assert ours["prompt_tokens"] == alone["prompt_tokens"]
    assert found["answers_per_hour"] > 0 and found["gain"] > 0
