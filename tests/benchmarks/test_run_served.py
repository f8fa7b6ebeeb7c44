"""Runs of models that a server has."""

import json
from pathlib import Path

import pytest

from benchmarks import run
from benchmarks.runs.read import Run, read_run
from tests.openai_server import KEY, OpenAIServer, refuse, tell

RIGHT = "It is a big and old and very nice city named Paris"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FAR_KEY", KEY)
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(tmp_path / "models.toml"))
    registry(openai_server)
    lines = [
        {
            "id": f"p{place}",
            "kind": "facts",
            "prompt": f"Question {place}: which city is the capital of France?",
            "grader": {"name": "keywords", "all_of": ["Paris"]},
            "max_tokens": 20,
            "right": "Paris",
            "wrong": "Lyon",
        }
        for place in range(4)
    ]
    Path("mine.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    config()
    openai_server.reply = RIGHT
    return tmp_path


def registry(server: OpenAIServer, more: str = "usd_per_million_in = 1.0\nusd_per_million_out = 2.0\n") -> None:
    source = f'kind = "openai"\nurl = "{server.url}/v1"\nmodel = "tiny"\nkey = "FAR_KEY"\n{more}'
    Path("models.toml").write_text(f'[[model]]\nid = "far"\nlabel = "Far"\n[model.source]\n{source}')


def config(*conditions: str) -> None:
    facts = {
        "name": "test",
        "models": ["far"],
        "suites": ["./mine.jsonl"],
        "conditions": conditions or ("timed-cold", "batched"),
        "fixed_repetitions": 1,
        "batch_sequences": 3,
    }
    Path("test.toml").write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items()))


def only_run() -> Run:
    (directory,) = Path("results").iterdir()
    return read_run(directory)


def test_single_answers_are_as_served_shapes_are_left_out_and_no_key_is_written(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["test.toml", "--json"]) == 0
    done = only_run()
    assert sorted(row.condition for row in done.rows) == ["as-served"] * 4 + ["batched"] * 4
    assert all(row.right and row.error is None for row in done.rows)
    assert done.models["far"]["served_by"] == openai_server.url.removeprefix("http://")
    assert openai_server.most_at_once <= 3
    out, err = capsys.readouterr()
    assert "as-served: seconds of another's server as seen from here" in out
    written = "".join(path.read_text() for path in done.directory.iterdir())
    assert KEY not in out + err + written
    assert f"Bearer {KEY}" in openai_server.keys


def test_a_price_gives_dollars_per_correct_answer(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    openai_server.acts += [tell("Lyon it is")]
    config("timed-cold")
    run.main(["test.toml", "--json"])
    out = capsys.readouterr().out
    (found,) = json.loads(out.splitlines()[-1])["models"]
    tokens_in, tokens_out = 4 * 9, 3 + 3 * len(RIGHT.split())
    assert found["usd_per_correct"] == pytest.approx((tokens_in + 2 * tokens_out) / 1e6 / 3)
    assert 0 < found["s_per_correct"] < 10
    assert "$ per correct" in out


def test_without_usage_answers_are_graded_and_nothing_is_said_of_cost(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    openai_server.acts += [tell(RIGHT, usage=False) for _ in range(4)]
    config("batched")
    Path("test.toml").write_text(Path("test.toml").read_text() + "alone_prompts = 0\n")
    assert run.main(["test.toml", "--json"]) == 0
    out, err = capsys.readouterr()
    (found,) = json.loads(out.splitlines()[-1])["models"]
    assert (found["accuracy"], found["usd_per_correct"]) == (1.0, None)
    assert "far: 4 answers: the server does not tell its tokens" in err
    assert all(row.completion_tokens is None for row in only_run().rows)


def test_what_a_server_failed_to_answer_is_asked_again_with_resume(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    config("timed-cold")
    openai_server.acts += [tell(RIGHT), tell(RIGHT), refuse(400, f"no {KEY}"), refuse(400, "no")]
    assert run.main(["test.toml"]) == 1
    assert sum(row.error is not None for row in only_run().rows) == 2
    assert run.main(["test.toml", "--resume"]) == 0
    assert [row.error for row in only_run().rows] == [None] * 4
    assert KEY not in "".join(capsys.readouterr()) + (only_run().directory / "samples.jsonl").read_text()


def test_a_server_that_is_down_leaves_rows_that_say_so(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    openai_server.url = "http://127.0.0.1:9"
    registry(openai_server)
    assert run.main(["test.toml"]) == 1
    assert "far: 127.0.0.1:9 cannot be reached" in capsys.readouterr().err
    assert len(only_run().rows) == 8


def test_a_dry_run_says_what_the_tokens_cost_and_asks_nothing(
    openai_server: OpenAIServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.main(["test.toml", "--dry-run"]) == 0
    assert "a server's seconds are not known before; tokens for $0.00" in capsys.readouterr().out
    assert openai_server.requests == []
