"""The load curve: levels of users, what each of them sees, and the sentence that comes of it."""

import itertools
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine import open_engine
from benchmarks.engine.contract import EngineError, Finished, LoadOptions, Request, Sampling, Timings
from benchmarks.engine.scripted import ScriptedEngine
from benchmarks.load import main
from benchmarks.measure.load import Answer, answer_of, measure_level, summed, table
from data.message import Message
from data.models.served import address_file
from tests.openai_server import KEY, OpenAIServer, refuse


def requests(tokens: int = 10) -> Iterator[Request]:
    said = (Message(role="user", content="Which city?"),)
    return itertools.cycle([Request(messages=said, sampling=Sampling(max_tokens=tokens, ignore_eos=True), cold=True)])


def answer(tokens: int = 21, **changes: float | None) -> Answer:
    seen = Answer(tokens=tokens, prompt_tokens=9, ttft_s=0.5, gap_p50_s=0.1, gap_p95_s=0.2, tok_per_s=10.0)
    return replace(seen, **changes)  # type: ignore[arg-type]


def test_a_levels_figures_are_of_its_answers_and_of_all_its_tokens() -> None:
    answers = [answer(), answer(ttft_s=1.5, tok_per_s=20.0), answer(ttft_s=0.7, tok_per_s=None)]
    found = summed(3, 10.0, answers, unfinished=37, errors=1)
    assert (found.ttft_p50_s, found.gap_p50_s, found.gap_p95_s, found.tok_per_s_per_user) == (0.7, 0.1, 0.2, 15.0)
    assert found.ttft_p95_s == pytest.approx(1.42)
    assert (found.tok_per_s, found.answer_tokens, found.prompt_tokens) == (10.0, 21, 9)
    assert found.answers_per_hour == pytest.approx(3600 * 10 / 21)
    nothing = summed(2, 10.0, [], unfinished=5)
    assert (nothing.tok_per_s, nothing.ttft_p50_s, nothing.answers_per_hour) == (0.5, None, None)
    assert "–" in table([nothing])


def test_a_users_rate_is_from_the_first_token_to_the_last() -> None:
    timings = Timings(prompt_tokens=5, ttft_s=1.0, total_s=3.0, gap_p50_s=0.1, gap_p95_s=0.3)
    end = Finished(id=1, reason="length", text="", completion_tokens=21, timings=timings)
    assert answer_of(end) == Answer(
        tokens=21, prompt_tokens=5, ttft_s=1.0, gap_p50_s=0.1, gap_p95_s=0.3, tok_per_s=10.0
    )
    assert answer_of(replace(end, completion_tokens=2)).tok_per_s is None


def test_so_many_users_ask_again_and_again_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps({"prefill_tok_per_s": 100, "decode_tok_per_s": 50}))
    engine = ScriptedEngine(tmp_path / "m.gguf", LoadOptions(sequences=3))
    clock = itertools.count().__next__  # a second for each look
    found = measure_level(engine, requests(), 3, seconds=40, clock=lambda: float(clock()))
    assert not engine.busy
    assert (found.users, found.answers, found.errors, found.answer_tokens) == (3, 9, 0, 10)
    assert found.tok_per_s * found.seconds > 90  # what was unfinished counts too


def test_where_nothing_answers_the_first_reason_is_told(openai_server: OpenAIServer) -> None:
    openai_server.acts += [refuse(400, f"no {place}") for place in range(20)]
    with (
        closing(open_engine("openai", address_file(openai_server.entry()), LoadOptions(sequences=2))) as engine,
        pytest.raises(EngineError, match=r"answers \(400\) no [12]"),
    ):
        measure_level(engine, requests(), 2, seconds=60)


def test_a_server_is_measured_as_served_and_its_key_is_told_nowhere(
    openai_server: OpenAIServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    openai_server.reply = "one two three four five six seven eight nine ten"
    out = tmp_path / "load.json"
    asked = [f"{openai_server.url}/v1", "--model", "tiny", "--key", "FAR_KEY", "--users", "2", "1", "--seconds", "1"]
    assert main([*asked, "--out", str(out), "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(out.read_text())
    assert json.loads(said.out.splitlines()[-1]) == found
    assert [each["users"] for each in found["levels"]] == [1, 2]
    assert all(each["answers"] > 2 and each["noisy"] is None for each in found["levels"])
    assert found["sentence"].endswith("as served") and found["llama_cpp"] is None
    assert openai_server.most_at_once <= 2
    assert openai_server.requests[0]["ignore_eos"] is True
    assert KEY not in said.out + said.err + out.read_text()
    assert f"Bearer {KEY}" in openai_server.keys


def test_a_mistake_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["http://localhost:9/v1"], ["smollm2-135m", "--model", "x"]):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
        assert "--model is the model's name at a URL" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["smollm2-135m", "--seconds", "9" * 400])
    assert "is not a whole number of at least 1 and below 1,000,000,000" in capsys.readouterr().err
    for arguments, why in (
        (["nobody"], "unknown model 'nobody'"),
        (["http://localhost:9/v1", "--model", "x"], "localhost:9 cannot be reached"),
        (["HTTP://localhost:9/v1", "--model", "x"], "localhost:9 cannot be reached"),
        (["nobody", "--tokens", "1000001"], "--tokens is 1,000,001; a reply has at most 1,000,000"),
        (["http://me:secret@localhost:9/v1", "--model", "x"], "url holds a user, a password"),
        (["http://localhost:9/v1", "--model", "x", "--key", "sk-secret"], "key must be the name of an environment"),
    ):
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert why in said and "secret" not in said


def test_a_place_that_cannot_be_written_costs_no_figures(
    openai_server: OpenAIServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"{openai_server.url}/v1", "--model", "tiny", "--users", "1", "--seconds", "1"]
    assert main([*asked, "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "Is a directory" in said.err and "serves no user of tiny" in said.out


@pytest.mark.slow
def test_a_model_of_this_machine_is_measured_on_its_own_engine(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "load.json"
    asked = ["--users", "1", "4", "--seconds", "2", "--tokens", "16", "--context", "512"]
    assert main([str(tiny_model), *asked, "--out", str(out)]) == 0
    one, four = json.loads(out.read_text())["levels"]
    assert one["answer_tokens"] == four["answer_tokens"] == 16
    assert 0 < one["ttft_p50_s"] <= one["ttft_p95_s"] and 0 < four["gap_p50_s"] <= four["gap_p95_s"]
    assert four["tok_per_s_per_user"] > 0 < one["tok_per_s_per_user"]  # which is faster is for an idle machine to say
