"""A model that a server of OpenAI's protocol has: what comes back, and what is said of every way to go wrong."""

import dataclasses
import gzip
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.engine import open_engine
from benchmarks.engine.ask import Reply, ask, ask_all
from benchmarks.engine.contract import Delta, Engine, EngineError, Finished, LoadOptions, Request, Sampling, Started
from benchmarks.engine.served.reply import NO_USAGE
from data.message import Message
from data.models.served import address_file
from tests.openai_server import KEY, Act, OpenAIServer, Talk, answer, cut_after, hold_after, refuse, tell

Open = Callable[..., Engine]


@pytest.fixture
def far(openai_server: OpenAIServer) -> Iterator[Open]:
    opened: list[Engine] = []

    def open_it(sequences: int = 2, **source: Any) -> Engine:
        path = address_file(openai_server.entry(**source))
        opened.append(open_engine("llama_cpp", path, LoadOptions(sequences=sequences)))
        return opened[-1]

    yield open_it
    openai_server.go_on.set()
    for engine in opened:
        engine.close()


def request(text: str = "Which city is the capital of France?", **sampling: Any) -> Request:
    return Request(messages=(Message(role="user", content=text),), sampling=Sampling(**sampling))


def end_of(reply: Reply) -> Finished:
    assert reply.finished
    return reply.finished


def test_tokens_and_computing_are_the_servers_first_token_and_gaps_are_clocked_here(
    far: Open, openai_server: OpenAIServer
) -> None:
    reply = ask(far(), request())
    end, timings = end_of(reply), end_of(reply).timings
    assert (end.text, end.reason, end.completion_tokens) == (openai_server.reply, "stop", 7)
    assert (timings.prompt_tokens, timings.prefill_tokens, timings.prefill_s) == (7, 7, 0.1)
    assert (timings.decode_tokens, timings.decode_s) == (6, 0.5)
    assert timings.total_s and timings.ttft_s and 0 < timings.ttft_s <= timings.total_s
    assert timings.itl_p50_s is not None
    assert timings.max_batch is None
    assert reply.started and reply.started.as_served


def test_what_a_server_does_not_tell_is_not_known(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.acts.append(tell("Paris it is", timings=False))
    timings = end_of(ask(far(), request())).timings
    assert timings.prompt_tokens == 7
    assert timings.prefill_s is timings.decode_s is timings.decode_tok_per_s is None


def test_an_answer_without_usage_is_kept_and_says_so(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.acts.append(tell("Paris it is", usage=False, timings=False))
    end = end_of(ask(far(), request()))
    assert (end.text, end.error, end.note) == ("Paris it is", None, NO_USAGE)
    assert end.timings.prompt_tokens is None


def test_the_request_says_all_that_decides_an_answer(far: Open, openai_server: OpenAIServer) -> None:
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=5, max_tokens=9, stop=("\n",), seed=4, json_schema="{}")
    ask(far(), dataclasses.replace(request(), sampling=sampling, cold=True, logprobs=2))
    (asked,) = openai_server.requests
    assert {key: asked[key] for key in ("model", "temperature", "top_p", "top_k", "max_tokens", "stop", "seed")} == {
        "model": "tiny", "temperature": 0.5, "top_p": 0.9, "top_k": 5, "max_tokens": 9, "stop": ["\n"], "seed": 4,
    }  # fmt: skip
    assert (asked["cache_prompt"], asked["min_p"], asked["logprobs"], asked["top_logprobs"]) == (False, 0.0, True, 2)
    assert asked["response_format"]["json_schema"]["schema"] == {}


def test_a_server_of_no_known_kind_is_told_only_what_openai_has(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.models = {"tiny": "someone"}
    ask(far(), dataclasses.replace(request(), cold=True))
    assert not {"top_k", "min_p", "repeat_penalty", "cache_prompt"} & openai_server.requests[0].keys()


def test_log_probabilities_come_with_the_pieces(far: Open, openai_server: OpenAIServer) -> None:
    said = {"token": "é", "bytes": [195, 169], "logprob": -0.5}

    def act(talk: Talk) -> None:
        talk.begin()
        talk.piece("é", finish="stop", logprobs={"content": [said | {"top_logprobs": [said]}]})

    openai_server.acts.append(act)
    engine = far()
    engine.submit(dataclasses.replace(request(), logprobs=1))
    (delta,) = [event for event in drain(engine) if isinstance(event, Delta)]
    (found,) = delta.logprobs
    assert (found.token, found.logprob, found.top) == ("é".encode(), -0.5, (("é".encode(), -0.5),))


def drain(engine: Engine) -> list[Any]:
    events: list[Any] = []
    while engine.busy:
        events += engine.step(1.0)
    return events


def test_thinking_that_comes_apart_stands_before_the_answer_between_its_marks(
    far: Open, openai_server: OpenAIServer
) -> None:
    def act(talk: Talk) -> None:
        talk.begin()
        for delta in ({"reasoning_content": "Hm"}, {"reasoning_content": "m."}, {"content": "Paris"}):
            talk.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        talk.piece(finish="stop")

    openai_server.acts.append(act)
    assert end_of(ask(far(), request())).text == "<think>Hmm.</think>Paris"


def test_no_more_are_asked_at_once_than_sequences(far: Open, openai_server: OpenAIServer) -> None:
    ends = ask_all(far(sequences=3), [request(f"Question {place}") for place in range(20)])
    assert [end.text for end in ends] == [openai_server.reply] * 20
    assert openai_server.most_at_once <= 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_who_has_no_time_now_is_asked_again(far: Open, openai_server: OpenAIServer, status: int) -> None:
    openai_server.acts += [refuse(status), refuse(status, retry_after="0")]
    assert end_of(ask(far(), request())).text == openai_server.reply
    assert len(openai_server.requests) == 3


def test_tries_come_to_an_end(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.acts += [refuse(503, "too many people")] * 9
    reply = ask(far(), request())
    assert reply.error == f"{host(openai_server)} answers (503) too many people"
    assert len(openai_server.requests) == 4


def host(server: OpenAIServer) -> str:
    return server.url.removeprefix("http://")


def in_stream(talk: Talk) -> None:
    talk.begin()
    talk.piece("Par")
    talk.event({"error": {"message": f"out of memory {KEY}"}})


@pytest.mark.parametrize(
    ("act", "error", "kept"),
    [
        (cut_after("Par"), "broke off", "Par"),
        (in_stream, "failed: out of memory …; what it had written is kept", "Par"),
        (lambda talk: (talk.begin(), talk.piece("Par")), "broke off; what it had written is kept", "Par"),
        (
            lambda talk: (talk.begin(), talk.event("{nonsense")),
            "does not speak OpenAI's protocol (JSONDecodeError)",
            "",
        ),
        (lambda talk: (talk.begin(), talk.event([1, 2])), "does not speak OpenAI's protocol", ""),
        (lambda talk: (talk.begin(), talk.piece(7)), "does not speak OpenAI's protocol (TypeError)", ""),  # type: ignore[arg-type]
        (answer(b"<html>Welcome</html>"), "answered nothing that is a chat completion; is url right?", ""),
        (refuse(400, "no such field: seed"), "answers (400) no such field: seed", ""),
        (lambda talk: talk.send(400, {"error": "no such field: seed"}), "answers (400) no such field: seed", ""),
        (lambda talk: talk.send(400, {"detail": "Not Found"}), "answers (400) Not Found", ""),
        (refuse(401, f"Incorrect API key provided: {KEY}"), "refuses the key (401); it was asked with $FAR_KEY", ""),
        (refuse(404, "model 'tiny' not found"), "has no model 'tiny'; it has: tiny, other", ""),
        (refuse(302, location="https://user@evil.example/v1?key=1"), "redirects to evil.example, which is not", ""),
    ],
    ids=range(13),
)
def test_what_goes_wrong_is_one_line_without_the_key_and_loses_nothing(
    far: Open,
    openai_server: OpenAIServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    act: Act,
    error: str,
    kept: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("FAR_KEY", KEY)
    openai_server.models["other"] = "x"
    openai_server.acts.append(act)
    engine = far(key="FAR_KEY")
    reply = ask(engine, request())
    assert reply.error and error in reply.error
    assert KEY not in reply.error and "\n" not in reply.error
    assert (end_of(reply).reason, end_of(reply).text) == ("error", kept)
    assert len(openai_server.requests) == 1
    assert ask(engine, request()).error is None  # the next one goes well
    assert caplog.text and KEY not in caplog.text


@pytest.mark.parametrize("parts", [[KEY], [f"is {KEY[:9]}", KEY[9:20], KEY[20:]], ["", f"{KEY}!"]])
def test_an_answer_that_has_the_key_is_ended_before_it(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, parts: list[str]
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)

    def act(talk: Talk) -> None:
        talk.begin()
        for part in ["Your key ", *parts, " it was."]:
            talk.piece(part)
        talk.piece(finish="stop")

    openai_server.acts += [act, tell("Paris sk-Rec")]
    engine = far(key="FAR_KEY")
    reply = ask(engine, request())
    assert reply.error and "repeats the key in its answer" in reply.error
    assert KEY[:9] not in end_of(reply).text and end_of(reply).text.startswith("Your key ")
    assert end_of(ask(engine, request())).text == "Paris sk-Rec"  # what only begins like it is an answer


def test_half_a_character_of_a_server_is_made_whole(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.acts.append(lambda talk: (talk.begin(), talk.piece("hi \ud83d", finish="stop")))  # type: ignore[arg-type,return-value]
    end_of(ask(far(), request())).text.encode()


def test_a_redirection_does_not_take_the_key_along(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAR_KEY", KEY)
    openai_server.lists.append(refuse(307, location=f"{openai_server.url.replace('127.0.0.1', 'localhost')}/v1/models"))
    with pytest.raises(EngineError, match=r"redirects to localhost:.* keys stay home"):
        far(key="FAR_KEY")
    assert openai_server.keys == [f"Bearer {KEY}"]


def test_a_server_that_is_down_says_so(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.url = "http://127.0.0.1:9"
    with pytest.raises(EngineError, match=r"127.0.0.1:9 cannot be reached, or broke off \(.*[Rr]efused"):
        far()


def test_one_that_goes_silent_is_left_after_a_while(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.engine.served.stream.Server.__init__.__kwdefaults__", {"patience_s": 0.2})
    openai_server.acts.append(hold_after("Par"))
    reply = ask(far(), request())
    assert reply.error and "was silent for too long (0.2 s are waited); what it had written is kept" in reply.error
    assert end_of(reply).text == "Par"


def test_one_that_says_that_it_works_and_never_writes_is_left_too(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.engine.served.engine.MOST_SILENT_S", 0.2)

    def act(talk: Talk) -> None:
        talk.begin()
        while not talk.server.state.go_on.wait(0.02):
            talk.wfile.write(b": still working\n\n")

    openai_server.acts.append(act)
    engine = far()
    engine.submit(request())
    events: list[Any] = []
    while engine.busy:
        events += engine.step(0.05)
    assert events[-1].error.endswith("wrote nothing for 0.2 s")


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
def test_a_line_without_end_is_not_read_to_its_end(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("benchmarks.engine.served.stream.MOST_BYTES", 2**20)
    openai_server.acts += [answer(b"data: " + b"a" * 2**22, kind)] * 9
    reply = ask(far(), request())
    assert reply.error and "more than 1,048,576 bytes" in reply.error


def test_a_packed_answer_is_not_unpacked_behind_its_bound(far: Open, openai_server: OpenAIServer) -> None:
    packed = gzip.compress(b"[" + b" " * 2**20)
    openai_server.lists.append(lambda talk: talk.send(200, packed, content_encoding="gzip"))
    with pytest.raises(EngineError, match="it answers in gzip, which nobody asked for"):
        far()


TOLD: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"prompt_tokens": 10**400, "completion_tokens": 10**400}, {"predicted_n": 10**30, "prompt_n": -3}),
    ({"prompt_tokens": True, "completion_tokens": True}, {"predicted_n": True, "prompt_n": True, "predicted_ms": True}),
    ({"prompt_tokens": 1.5, "completion_tokens": float("inf")}, {"predicted_ms": float("nan"), "prompt_ms": -1}),
]


@pytest.mark.parametrize(("usage", "timings"), TOLD)
def test_counts_that_nothing_can_have_are_not_known(
    far: Open, openai_server: OpenAIServer, usage: dict[str, Any], timings: dict[str, Any]
) -> None:
    def act(talk: Talk) -> None:
        talk.begin()
        talk.piece("Paris", finish="stop")
        talk.event({"choices": [], "usage": usage, "timings": timings})

    openai_server.acts.append(act)
    end = end_of(ask(far(), request()))
    assert (end.text, end.reason, end.completion_tokens, end.note) == ("Paris", "stop", 1, NO_USAGE)
    told = (end.timings.prompt_tokens, end.timings.prefill_tokens, end.timings.prefill_s, end.timings.decode_s)
    assert told == (None, None, None, None)


@pytest.mark.parametrize("value", [{"bytes": 10**12}, {"logprob": float("nan")}])
def test_a_log_probability_that_is_none_costs_no_memory_and_is_not_told_on(
    far: Open, openai_server: OpenAIServer, value: dict[str, Any]
) -> None:
    def act(talk: Talk) -> None:
        talk.begin()
        token = {"token": "Paris", "logprob": -0.5, "bytes": None, "top_logprobs": []} | value
        talk.piece("Paris", finish="stop", logprobs={"content": [token]})

    openai_server.acts.append(act)
    engine = far()
    engine.submit(dataclasses.replace(request(), logprobs=1))
    told = [token for event in drain(engine) if isinstance(event, Delta) for token in event.logprobs]
    assert [(token.token, token.logprob) for token in told] == ([(b"Paris", -0.5)] if "bytes" in value else [])


def test_an_unknown_model_is_refused_with_those_that_there_are(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.models = {"llama-3b": "llamacpp", "qwen": "llamacpp"}
    with pytest.raises(EngineError, match=r"has no model 'tiny'; it has: llama-3b, qwen$"):
        far()


def test_a_server_without_a_list_of_models_may_have_the_model(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.lists.append(refuse(404))
    assert end_of(ask(far(), request())).text == openai_server.reply


@pytest.mark.parametrize("content", [b"<html>", b'{"data": [{"id": 5}]}', b'{"data": [{}]}'])
def test_a_list_of_models_that_is_none_says_that_the_address_is_wrong(
    far: Open, openai_server: OpenAIServer, content: bytes
) -> None:
    openai_server.lists.append(answer(content, "application/json"))
    with pytest.raises(EngineError, match=r"does not speak OpenAI's protocol .* is url right"):
        far()


@pytest.mark.parametrize(
    ("value", "error"), [(None, "set the environment variable FAR_KEY"), ("a b", "character that no key")]
)
def test_a_key_that_is_none_is_seen_before_anything_is_sent(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, value: str | None, error: str
) -> None:
    if value is not None:
        monkeypatch.setenv("FAR_KEY", value)
    with pytest.raises(EngineError, match=error):
        far(key="FAR_KEY")
    assert openai_server.keys == []


def test_another_services_key_goes_nowhere(
    far: Open, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, KEY)
    ask(far(), request())
    assert KEY not in "".join(openai_server.keys)


@pytest.mark.parametrize(("way", "reason"), [("cancel", "cancelled"), ("deadline", "deadline")])
def test_a_reply_ends_when_it_is_told_to_whatever_the_server_does(
    far: Open, openai_server: OpenAIServer, way: str, reason: str
) -> None:
    openai_server.acts.append(hold_after("Paris is"))
    engine = far()
    request_id = engine.submit(request(**({"deadline_s": 0.3} if way == "deadline" else {})))
    events: list[Any] = []
    while engine.busy:
        events += engine.step(0.05)
        if way == "cancel" and any(isinstance(event, Delta) for event in events):
            engine.cancel(request_id)
    assert isinstance(events[0], Started)
    assert (events[-1].reason, events[-1].text) == (reason, "Paris is")


def test_a_reply_that_repeats_itself_is_ended(far: Open, openai_server: OpenAIServer) -> None:
    openai_server.reply = "over and over " * 100
    assert end_of(ask(far(), request(end_loops=True))).reason == "loop"


def test_what_only_a_file_can_tell_is_refused(far: Open) -> None:
    engine = far()
    for call in (lambda: engine.score([1, 2]), lambda: engine.tokenize(request())):
        with pytest.raises(EngineError, match="needs the model's own file"):
            call()
    for asked, error in ((Request(prompt_tokens=(1, 2)), "in words"), (request(" "), "prompt is empty")):
        with pytest.raises(EngineError, match=error):
            engine.submit(asked)


def test_a_file_that_is_no_address_says_so(far: Open, openai_server: OpenAIServer) -> None:
    path = address_file(openai_server.entry())
    path.write_text(json.dumps({"url": "ftp://x", "model": "tiny"}))
    with pytest.raises(EngineError, match="url is 'ftp://x'; it must begin with http"):
        open_engine("llama_cpp", path, LoadOptions())
