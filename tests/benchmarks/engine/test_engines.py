"""One contract for every engine: the scripted one and a server's in milliseconds, llama.cpp on a model of two layers
where any will do, on the embedded one where a reply must be words."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine import ENGINES
from benchmarks.engine.contract import (
    Delta,
    Engine,
    EngineError,
    Event,
    Finished,
    LoadOptions,
    Request,
    Sampling,
    Started,
)
from benchmarks.engine.ends import Ends
from benchmarks.engine.reply_text import in_a_loop
from data.message import Message
from data.models.served import address_file

OpenEngine = Callable[..., Engine]


OF_FILES = ["scripted", pytest.param("llama_cpp", marks=pytest.mark.slow)]
STORY = "Once there was a fox who ran over the hill and into the wood . "


@pytest.fixture(params=OF_FILES)
def open_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenEngine]:
    """An engine that has the model's file."""
    yield from opener(request, tmp_path, "embedded_model")


@pytest.fixture(params=[*OF_FILES, "openai"])
def open_any(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenEngine]:
    """Or one that asks a server, which computes elsewhere and counts tokens by itself."""
    yield from opener(request, tmp_path, "tiny_model")


def opener(request: pytest.FixtureRequest, tmp_path: Path, model: str) -> Iterator[OpenEngine]:
    opened: list[Engine] = []
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"prefill_tok_per_s": 100.0, "decode_tok_per_s": 50.0}))
    if request.param == "llama_cpp":
        path = request.getfixturevalue(model)
    elif request.param == "openai":
        server = request.getfixturevalue("openai_server")
        server.reply = STORY * 500
        path = address_file(server.entry())

    def open_it(**options: int) -> Engine:
        opened.append(ENGINES[request.param](path, LoadOptions(**options)))
        return opened[-1]

    yield open_it
    for engine in opened:
        engine.close()


def ask(text: str, *, cold: bool = False, **sampling: object) -> Request:
    return Request(
        messages=(Message(role="user", content=text),),
        sampling=Sampling(**{"max_tokens": 12, **sampling}),  # type: ignore[arg-type]
        cold=cold,
    )


def drain(engine: Engine) -> list[Event]:
    events: list[Event] = []
    while engine.busy:
        events += engine.step(0.05)
    return events


def finished(events: list[Event]) -> dict[int, Finished]:
    return {event.id: event for event in events if isinstance(event, Finished)}


def test_a_reply_starts_grows_and_finishes_once(open_any: OpenEngine) -> None:
    engine = open_any()
    request_id = engine.submit(ask("Name three colours."))
    events = drain(engine)
    assert isinstance(events[0], Started)
    assert [type(event) for event in events].count(Finished) == 1
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.id == request_id
    assert end.text == "".join(event.text for event in events if isinstance(event, Delta)) != ""


def test_max_tokens_ends_a_reply_by_length_and_is_exact(open_any: OpenEngine) -> None:
    engine = open_any()
    request_id = engine.submit(ask("Tell a long story.", max_tokens=7, ignore_eos=True))
    end = finished(drain(engine))[request_id]
    assert (end.reason, end.completion_tokens) == ("length", 7)


def test_a_reply_that_repeats_itself_is_ended_where_that_is_asked_for(open_any: OpenEngine) -> None:
    engine = open_any()
    looped = engine.submit(ask("Count: one one one one one one", max_tokens=900, ignore_eos=True, end_loops=True))
    end = finished(drain(engine))[looped]
    assert end.reason == "loop"
    assert in_a_loop(end.text)
    assert end.completion_tokens < 900


def test_a_reply_ends_at_its_deadline_with_what_it_has(open_any: OpenEngine) -> None:
    engine = open_any()
    in_time = engine.submit(ask("Tell a long story.", max_tokens=3, ignore_eos=True, deadline_s=60.0))
    late = engine.submit(ask("Tell a long story.", max_tokens=3_000, ignore_eos=True, deadline_s=0.001))
    ends = finished(drain(engine))
    assert (ends[in_time].reason, ends[late].reason) == ("length", "deadline")
    assert ends[late].completion_tokens < 3_000
    assert not engine.busy


def test_timings_count_every_token_once(open_engine: OpenEngine) -> None:
    engine = open_engine()
    request_id = engine.submit(ask("Tell a long story.", cold=True, max_tokens=9, ignore_eos=True))
    timings = finished(drain(engine))[request_id].timings
    assert timings.prefill_tokens == timings.prompt_tokens > 0
    assert timings.decode_tokens == 8
    assert timings.prefill_s and timings.decode_s and timings.ttft_s and timings.total_s
    assert timings.decode_tok_per_s == pytest.approx(8 / timings.decode_s)
    assert timings.prefill_s <= timings.ttft_s * 1.001
    assert timings.itl_p50_s and timings.itl_p95_s and timings.itl_p50_s <= timings.itl_p95_s


def test_the_same_request_gives_the_same_reply(open_any: OpenEngine) -> None:
    engine = open_any()
    texts = []
    for _ in range(2):
        request_id = engine.submit(ask("Say something.", cold=True, temperature=0.9, top_p=0.9, top_k=40, seed=7))
        texts.append(finished(drain(engine))[request_id].text)
    assert texts[0] == texts[1]


def test_a_chat_that_goes_on_reads_only_what_is_new_and_cold_reads_all(open_engine: OpenEngine) -> None:
    engine = open_engine()
    opening = Message(role="user", content="What is the tallest tower in the capital of France called?")
    first = engine.submit(Request(messages=(opening,), sampling=Sampling(max_tokens=8, ignore_eos=True)))
    reply = Message(role="assistant", content=finished(drain(engine))[first].text)
    chat = (opening, reply, Message(role="user", content="And how high is it?"))
    warm = engine.submit(Request(messages=chat, sampling=Sampling(max_tokens=2)))
    warm_timings = finished(drain(engine))[warm].timings
    assert warm_timings.prefill_tokens is not None
    assert warm_timings.prefill_tokens < warm_timings.prompt_tokens
    cold = engine.submit(Request(messages=chat, sampling=Sampling(max_tokens=2), cold=True))
    cold_timings = finished(drain(engine))[cold].timings
    assert cold_timings.prefill_tokens == cold_timings.prompt_tokens == warm_timings.prompt_tokens


def test_several_sequences_are_written_together(open_engine: OpenEngine) -> None:
    engine = open_engine(sequences=3)
    ids = [engine.submit(ask(f"Count from {n}.", ignore_eos=True)) for n in range(3)]
    ends = finished(drain(engine))
    assert sorted(ends) == sorted(ids)
    assert max(end.timings.max_batch or 0 for end in ends.values()) == 3


def test_requests_beyond_the_sequences_wait_their_turn(open_any: OpenEngine) -> None:
    engine = open_any(sequences=1)
    ids = [engine.submit(ask(f"Count from {n}.", max_tokens=4)) for n in range(3)]
    order = [event.id for event in drain(engine) if isinstance(event, Finished)]
    assert order == ids


def test_a_cancelled_reply_keeps_its_text_and_leaves_the_others_alone(open_any: OpenEngine) -> None:
    engine = open_any(sequences=2)
    stays = engine.submit(ask("Tell a story.", max_tokens=20, ignore_eos=True))
    goes = engine.submit(ask("Tell another story.", max_tokens=200, ignore_eos=True))
    events: list[Event] = []
    while not any(isinstance(event, Delta) and event.id == goes for event in events):
        events += engine.step(0)
    engine.cancel(goes)
    ends = finished(events + drain(engine))
    assert (ends[goes].reason, ends[stays].reason) == ("cancelled", "length")
    assert ends[goes].text
    assert ends[stays].completion_tokens == 20


def test_a_waiting_request_can_be_cancelled_and_unknown_ids_are_ignored(open_any: OpenEngine) -> None:
    engine = open_any(sequences=1)
    first = engine.submit(ask("Tell a story.", max_tokens=3))
    second = engine.submit(ask("Tell another story."))
    engine.cancel(second)
    engine.cancel(9999)
    ends = finished(drain(engine))
    assert ends[second].reason == "cancelled"
    assert ends[second].text == ""
    assert ends[first].reason in ("length", "stop")


def test_a_stop_string_ends_the_reply_before_it(open_any: OpenEngine) -> None:
    engine = open_any()
    free = engine.submit(ask("Tell a story.", max_tokens=12, ignore_eos=True, cold=True))
    text = finished(drain(engine))[free].text
    stop = text[3:6]
    assert len(stop) == 3
    held = engine.submit(ask("Tell a story.", max_tokens=12, ignore_eos=True, cold=True, stop=(stop,)))
    end = finished(drain(engine))[held]
    assert end.reason == "stop"
    assert end.text == text[: text.index(stop)]


@pytest.mark.parametrize("text", ["", "   \n"])
def test_an_empty_prompt_is_refused_in_one_line(open_any: OpenEngine, text: str) -> None:
    with pytest.raises(EngineError, match="prompt is empty"):
        open_any().submit(ask(text))


def test_half_a_character_in_a_prompt_harms_neither_its_reply_nor_another(open_any: OpenEngine) -> None:
    engine = open_any(sequences=2)
    ids = [engine.submit(ask(text, max_tokens=3)) for text in ("Say hi \ud83d", "Say hi.")]
    ends = finished(drain(engine))
    assert sorted(ends) == ids and all(end.reason in ("length", "stop") for end in ends.values())


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(open_engine: OpenEngine) -> None:
    engine = open_engine(context_tokens=256)
    with pytest.raises(EngineError, match=r"the prompt has [\d,]+ tokens, the context holds 256"):
        engine.submit(ask("word " * 300))
    assert not engine.busy


def test_a_reply_that_reaches_the_end_of_the_context_ends_by_length(open_engine: OpenEngine) -> None:
    engine = open_engine(context_tokens=256)
    request_id = engine.submit(
        Request(prompt_tokens=tuple(range(100, 340)), sampling=Sampling(max_tokens=500, ignore_eos=True))
    )
    end = finished(drain(engine))[request_id]
    assert end.reason == "length"
    assert end.timings.prompt_tokens + end.completion_tokens <= 257


def test_scores_are_log_probabilities_of_each_following_token(open_engine: OpenEngine) -> None:
    engine = open_engine()
    tokens = [40, 50, 60, 70, 80]
    scores = engine.score(tokens)
    assert scores.shape == (4,)
    assert np.all(scores < 0)
    np.testing.assert_allclose(scores, engine.score(tokens), atol=1e-5)


def test_distributions_sum_to_one_and_hold_the_scores(open_engine: OpenEngine) -> None:
    engine = open_engine()
    tokens = [40, 50, 60, 70, 80]
    rows = engine.distributions(tokens)
    assert rows.shape == (5, engine.info.vocabulary_size)
    np.testing.assert_allclose(np.exp(rows.astype(np.float64)).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(rows[np.arange(4), tokens[1:]], engine.score(tokens), atol=1e-5)


def test_tokenize_says_what_a_request_is_read_as(open_engine: OpenEngine) -> None:
    engine = open_engine()
    assert engine.tokenize(Request(prompt_tokens=(7, 8, 9))) == [7, 8, 9]
    request = Request(messages=(Message(role="user", content="one two three"),), sampling=Sampling(max_tokens=1))
    length = len(engine.tokenize(request))
    engine.submit(request)
    events = [event for _ in range(100) for event in engine.step(0.05)]
    assert next(event for event in events if isinstance(event, Started)).prompt_tokens == length


@pytest.mark.parametrize("sequences", [1, 3])
def test_ends_are_scored_in_their_order_and_the_same_twice(open_engine: OpenEngine, sequences: int) -> None:
    engine = open_engine(sequences=sequences)
    question = Ends(
        beginning="The capital of France is", ends=(" Paris", " the moon and a goat", " Paris", " not known")
    )
    scores = engine.score_ends(question)
    assert len(scores) == 4 and max(scores) < 0 and scores[0] == pytest.approx(scores[2], abs=1e-3)
    assert scores[1] < scores[0]
    assert engine.score_ends(question) == pytest.approx(scores, abs=1e-3)


@pytest.mark.parametrize(
    ("beginning", "end", "reason"),
    [("", " a", "empty"), ("a b", "", "empty"), ("word " * 300, " a", "context holds 256")],
)
def test_ends_that_cannot_be_scored_are_refused(open_engine: OpenEngine, beginning: str, end: str, reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        open_engine(context_tokens=256).score_ends(Ends(beginning=beginning, ends=(end,)))


@pytest.mark.parametrize(
    ("tokens", "reason"), [([5], "at least 2"), ([5, -1], "outside the vocabulary"), ([7] * 300, "context holds 256")]
)
def test_what_cannot_be_scored_is_refused(open_engine: OpenEngine, tokens: list[int], reason: str) -> None:
    with pytest.raises(EngineError, match=reason):
        open_engine(context_tokens=256).score(tokens)


def test_an_idle_engine_has_nothing_to_do_and_closing_twice_is_harmless(open_any: OpenEngine) -> None:
    engine = open_any()
    assert engine.step(0.01) == []
    engine.close()
    engine.close()
