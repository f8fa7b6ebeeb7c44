import csv
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.chat.generation import GenerationService, Refused
from app.chat.lanes import Lane
from app.chat.list_runs import ListRun, ListRuns, as_csv, as_rows
from app.chat.suite_prompts import library
from benchmarks.engine.contract import LoadOptions, Sampling
from benchmarks.engine.worker import Worker
from data.models.entries import FileSource, ModelEntry

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
