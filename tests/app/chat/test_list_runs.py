import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.chat.generation import GenerationService, Refused
from app.chat.lanes import Lane
from app.chat.list_runs import ListRun, ListRuns, as_csv, as_rows, findings
from app.chat.reply_facts import details, statistics_line
from app.chat.suite_prompts import library
from benchmarks.engine.contract import LoadOptions, Sampling, Timings
from benchmarks.engine.worker import Worker
from data.models.entries import FileSource, ModelEntry
from data.models.fetch import local_path
from tests.openai_server import KEY, OpenAIServer, refuse, tell

WAIT_S = 20


@pytest.fixture
def service(tmp_path: Path) -> Iterator[GenerationService]:
    (tmp_path / "a.json").write_text('{"replies": {"slow": "%s"}, "reply": "=fine", "pace_s": 0.002}' % ("x " * 9000))
    (tmp_path / "b.json").write_text('{"reply": "other"}')
    models = {
        name: ModelEntry(
            id=name,
            label=name.upper(),
            base="none",
            size="0",
            quantization="none",
            licence="none",
            source=FileSource(path=tmp_path / f"{name}.json"),
        )
        for name in "ab"
    }
    made = GenerationService(
        models,
        fetch=lambda entry, registry, **_: entry.source.path,  # type: ignore[union-attr]
        start_worker=Worker,
        engine="scripted",
        options=LoadOptions(sequences=2),
    )
    yield made
    made.close()


def start(service: GenerationService, runs: ListRuns, *prompts: str) -> ListRun:
    return runs.start("me", prompts, ["a", "b"], system="", sampling=[Sampling(max_tokens=9000)] * 2)


def test_every_prompt_goes_to_every_model_and_suites_prompts_are_graded(service: GenerationService) -> None:
    runs, graded = ListRuns(service), library()["core"][0].prompt.text
    run = start(service, runs, "first", graded)
    assert run.finished.wait(WAIT_S) and run.problem is None
    rows = as_rows(run, {"a": "A", "b": "B"})
    assert [(row["prompt"], row["A"], row["B"]) for row in rows] == [
        ("first", "=fine", "other"),
        (graded, "=fine", "other"),
    ]
    assert (rows[1]["A · grade"], "A · grade" in rows[0]) == (0.0, False)
    assert next(csv.DictReader(io.StringIO(as_csv(rows))))["A"] == "'=fine"


def reply(model: str, text: str, rate: float) -> Lane:
    timings = Timings(prompt_tokens=9, decode_tokens=20, decode_s=20 / rate)
    facts = {"stage": "done", "reason": "stop", "text": text, "completion_tokens": 21, "timings": timings}
    return Lane(model_id=model, **facts)  # type: ignore[arg-type]


def made_list(right_a: int, right_b: int, count: int = 20) -> ListRun:
    """Two models' replies to prompts of a suite, the first so many of each right."""
    asked = [each.prompt for each in library()["core"] if each.prompt.right and each.prompt.wrong][:count]
    run = ListRun(prompts=tuple(each.text for each in asked), model_ids=("a", "b"))
    for place, each in enumerate(asked):
        texts = [each.right if place < right else each.wrong for right in (right_a, right_b)]
        run.replies.append((reply("a", texts[0] or "", 50.0), reply("b", texts[1] or "", 100.0)))
    return run


def test_a_list_of_a_suites_prompts_ends_with_the_verdict_and_its_interval() -> None:
    quality, speed = findings(made_list(2, 18), {"a": "A", "b": "B"})
    assert quality.startswith("B answers +80.0 points more correctly [+") and "n=20" in quality
    assert speed == "B decodes 2.00× as fast as A [2.00, 2.00] (n=20)."


def test_where_nothing_is_shown_it_says_what_could_have_been_seen() -> None:
    quality, _ = findings(made_list(9, 10), {"a": "A", "b": "B"})
    assert "not separable in quality" in quality and "could have seen a difference of" in quality


def test_a_list_of_ones_own_prompts_says_who_is_faster_and_no_more() -> None:
    run = ListRun(prompts=("mine", "yours"), model_ids=("a", "b"))
    run.replies += [(reply("a", "x", 50.0), reply("b", "y", rate)) for rate in (60.0, 65.0)]
    (speed,) = findings(run, {})
    assert speed.startswith("b decodes 1.25× as fast as a [1.20, 1.30]")
    run.replies.pop()
    assert findings(run, {}) == []


def test_a_stopped_list_keeps_what_is_done_and_makes_room(service: GenerationService) -> None:
    runs = ListRuns(service)
    run = start(service, runs, "first", "slow one", "never")
    for _ in range(WAIT_S * 100):
        if len(run.replies) == 1:
            break
        threading.Event().wait(0.01)
    with pytest.raises(Refused, match="last list is still running"):
        start(service, runs, "another")
    run.stopped.set()
    assert run.finished.wait(WAIT_S)
    assert len(run.replies) == 1
    runs.forget("me")
    assert runs.of("me") is None


def test_a_list_beside_a_running_comparison_says_so(service: GenerationService) -> None:
    runs = ListRuns(service)
    first = start(service, runs, "slow one")
    second = ListRuns(service)
    threading.Event().wait(0.3)
    run = start(service, second, "x")
    assert run.finished.wait(WAIT_S) and "still being written" in (run.problem or "")
    first.stopped.set()
    assert first.finished.wait(WAIT_S)


def test_one_model_twice_has_two_columns() -> None:
    run = ListRun(prompts=("x",), model_ids=("a", "a"))
    run.replies.append((Lane(model_id="a", text="1"), Lane(model_id="a", text="2")))
    [row] = as_rows(run, {"a": "A"})
    assert (row["A (1)"], row["A (2)"]) == ("1", "2")


def test_two_models_with_one_label_have_two_columns() -> None:
    run = ListRun(prompts=("x",), model_ids=("a", "b"))
    run.replies.append((Lane(model_id="a", text="1"), Lane(model_id="b", text="2")))
    [row] = as_rows(run, {"a": "Same", "b": "Same"})
    assert (row["prompt"], row["Same (1)"], row["Same (2)"]) == ("x", "1", "2")


def test_a_finished_list_is_forgotten_an_hour_after_the_last_look(service: GenerationService) -> None:
    now = [0.0]
    runs = ListRuns(service, clock=lambda: now[0])
    assert start(service, runs, "first").finished.wait(WAIT_S)
    now[0] = 3000.0
    assert runs.of("me") is not None
    now[0] = 6000.0
    assert runs.of("me") is not None
    now[0] = 9601.0
    assert runs.of("me") is None


def test_a_served_models_speed_is_named_so_and_compared_with_no_local_one() -> None:
    run = ListRun(prompts=("mine", "yours"), model_ids=("a", "b"))
    run.replies += [(reply("a", "x", 50.0), replace(reply("b", "y", 60.0), as_served=True)) for _ in range(2)]
    assert findings(run, {}) == []
    assert as_rows(run, {})[0].keys() >= {"a · tok/s", "b · tok/s as served"}


def test_a_local_and_a_served_model_answer_side_by_side(
    tmp_path: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    (tmp_path / "a.json").write_text('{"reply": "other", "pace_s": 0.002}')
    near = replace(openai_server.entry("a"), source=FileSource(path=tmp_path / "a.json"))
    service = GenerationService(
        {"a": near, "far": openai_server.entry(key="FAR_KEY")},
        fetch=lambda entry, registry, **_: local_path(entry, registry),  # type: ignore[arg-type,return-value]
        start_worker=Worker,
        engine="scripted",
    )
    openai_server.acts += [tell("Paris"), refuse(401, f"wrong {KEY}")]
    run = ListRuns(service).start("me", ["x", "y"], ["a", "far"], system="", sampling=[Sampling()] * 2)
    assert run.finished.wait(WAIT_S)
    service.close()
    (good, served), (_, bad) = run.replies
    assert (good.text, good.as_served, served.text, served.as_served) == ("other", False, "Paris", True)
    assert "as served" in statistics_line(served) and "as served" not in statistics_line(good)
    assert "Worker's memory" not in details(served)
    assert bad.error and "refuses the key (401); it was asked with $FAR_KEY" in bad.error
    assert KEY not in repr(run)
