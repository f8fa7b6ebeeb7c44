"""The app's models at /v1, asked by OpenAI's own client."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from app.api.server import Api, Served
from app.chat.generation import GenerationService
from app.chat.lanes import LaneRequest
from benchmarks.engine import open_engine
from benchmarks.engine.ask import ask
from benchmarks.engine.contract import LoadOptions, Request, Sampling
from benchmarks.engine.worker import Worker, beside_others
from data.message import Message
from data.models.entries import FileSource, ModelEntry, OpenAISource, RegistryError
from data.models.served import address_file

TOKEN = "the-token-of-this-test"
USER: list[Any] = [{"role": "user", "content": "Name a city."}]


class Running:
    """A server on loopback, and the service behind it."""

    def __init__(
        self, registry: dict[str, ModelEntry], engine: str, *, token: str | None = TOKEN, **options: Any
    ) -> None:
        self.service = GenerationService(
            registry,
            fetch=lambda entry, known, **_: _path(entry),
            start_worker=lambda: Worker(beside_others()),
            engine=engine,
            options=LoadOptions(context_tokens=512, sequences=2, **options),
            is_here=lambda entry, known: True,
        )
        served = Served(service=self.service, registry=registry)
        self.app = Api(PlainTextResponse("the pages"), served=lambda: served, token=token)
        self._clients: list[openai.OpenAI] = []
        self._server = uvicorn.Server(uvicorn.Config(self.app, port=0, log_level="error"))
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        self.url = f"http://127.0.0.1:{self._server.servers[0].sockets[0].getsockname()[1]}"

    def client(self, key: str = TOKEN) -> openai.OpenAI:
        self._clients.append(openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0))
        return self._clients[-1]

    def post(self, body: Any, token: str | None = TOKEN) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.post(f"{self.url}/v1/chat/completions", content=content, headers=headers, timeout=30)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self._server.should_exit = True
        self._thread.join()
        self.service.close()


def _path(entry: ModelEntry) -> Path:
    assert isinstance(entry.source, FileSource)
    return entry.source.path


def entry(model_id: str, path: Path) -> ModelEntry:
    facts = dict.fromkeys(("base", "size", "quantization", "licence"), "none")
    return ModelEntry(id=model_id, label=model_id, source=FileSource(path=path), **facts)  # type: ignore[arg-type]


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    scripts = {"near": {"reply": "Paris is one of them"}, "slow": {"pace_s": 0.01}, "gone": {"die_after_tokens": 2}}
    registry = {}
    for name, script in scripts.items():
        (tmp_path / f"{name}.gguf").write_bytes(b"GGUF")
        (tmp_path / f"{name}.json").write_text(json.dumps(script))
        registry[name] = entry(name, tmp_path / f"{name}.gguf")
    registry["absent"] = entry("absent", tmp_path / "absent.gguf")
    running = Running(registry, "scripted")
    yield running
    running.close()


def test_models_that_are_here_are_listed(api: Running) -> None:
    listed = list(api.client().models.list())
    assert [model.id for model in listed] == ["near", "slow", "gone"]
    assert api.client().models.retrieve("near").owned_by == "tradeoff"


def test_a_reply_comes_whole(api: Running) -> None:
    done = api.client().chat.completions.create(model="near", messages=USER, temperature=0)
    (choice,) = done.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == (
        "assistant",
        "Paris is one of them",
        "stop",
    )
    assert done.usage and (done.usage.prompt_tokens, done.usage.completion_tokens) == (3, 5)


def test_a_reply_comes_in_pieces_with_what_each_token_was_worth(api: Running) -> None:
    chunks = list(
        api.client().chat.completions.create(
            model="near",
            messages=USER,
            stream=True,
            stream_options={"include_usage": True},
            logprobs=True,
            top_logprobs=1,
        )
    )
    pieces = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert pieces[0].delta.role == "assistant"
    assert "".join(piece.delta.content or "" for piece in pieces) == "Paris is one of them"
    assert pieces[-1].finish_reason == "stop"
    told = [token for piece in pieces if piece.logprobs for token in piece.logprobs.content or ()]
    assert "".join(token.token for token in told) == "Paris is one of them"
    assert all(token.logprob < 0 and len(token.top_logprobs) == 1 for token in told)
    assert chunks[-1].usage and chunks[-1].usage.completion_tokens == 5


def test_a_reply_ends_at_a_limit_and_before_a_stop_string(api: Running) -> None:
    create = api.client().chat.completions.create
    short = create(model="near", messages=USER, max_tokens=2).choices[0]
    assert (short.message.content, short.finish_reason) == ("Paris is", "length")
    stopped = create(model="near", messages=USER, stop=" of").choices[0]
    assert (stopped.message.content, stopped.finish_reason) == ("Paris is one", "stop")


@pytest.mark.parametrize(("token", "header"), [(None, None), ("wrong", None), (TOKEN, "Basic"), (TOKEN + "x", None)])
def test_without_the_token_nothing_is_told(api: Running, token: str | None, header: str | None) -> None:
    headers = {} if token is None else {"authorization": f"{header or 'Bearer'} {token}"}
    for path in ("models", "chat/completions", "nothing"):
        said = httpx.get(f"{api.url}/v1/{path}", headers=headers)
        assert (said.status_code, said.json()["error"]["code"]) == (401, "invalid_api_key")
    with pytest.raises(openai.AuthenticationError, match="for the operator"):
        api.client(key="wrong").models.list()
    assert httpx.get(f"{api.url}/anything").text == "the pages"


def test_where_no_token_is_set_nobody_is_served(tmp_path: Path) -> None:
    running = Running({}, "scripted", token=None)
    assert httpx.get(f"{running.url}/v1/models", headers={"authorization": "Bearer"}).status_code == 401
    running.close()


@pytest.mark.parametrize(
    ("changes", "message", "param"),
    [
        ({"tools": []}, "unknown field 'tools'; known:", "tools"),
        ({"temprature": 1}, "did you mean 'temperature'", "temprature"),
        ({"temperature": 3}, "temperature is 3; it must lie between 0 and 2", "temperature"),
        ({"temperature": "hot"}, "temperature is 'hot'; it must be a number", "temperature"),
        ({"max_tokens": 0}, "max_tokens is 0; it must lie between 1 and", "max_tokens"),
        ({"n": 2}, "n is 2; only 1 is served", "n"),
        ({"top_logprobs": 2}, "set logprobs to true", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 50}, "top_logprobs is 50; it must lie between 0 and 20", "top_logprobs"),
        ({"max_tokens": 10**4000}, "max_tokens is a number of 13,288 bits; it must lie", "max_tokens"),
        ({"stop": [1]}, "stop is [1]; it must be a text or a list of texts", "stop"),
        ({"messages": []}, "it must be a list of at least one message", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0: role is 'tool'; known: system", "messages.0"),
        ({"messages": ["user"]}, "messages.0 is 'user'; it must be an object with role and content", "messages.0"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, "messages.0: role is ['user']; known:", "messages.0"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            "only text is served",
            "messages.0",
        ),
        (
            {"response_format": {"type": "xml"}},
            "it must be of type text, json_object, or json_schema",
            "response_format",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object", "not": {}}}}},
            "the JSON schema",
            "response_format",
        ),
        ({"model": None}, "model is missing", "model"),
    ],
)
def test_a_field_that_is_not_had_is_named(api: Running, changes: dict[str, Any], message: str, param: str) -> None:
    said = api.post({"model": "near", "messages": USER} | changes)
    error = said.json()["error"]
    assert (said.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert message in error["message"]


def test_what_is_no_request_is_one_error(api: Running) -> None:
    for body in (b"", b"{", b"[]", b"\xff", b'{"model": "near", "messages": [' * 2000, b'{"model": "\\ud800"}'):
        said = api.post(body)
        assert (said.status_code, said.json()["error"]["type"]) == (400, "invalid_request_error")
    assert api.post(b" " * (4 * 2**20 + 1)).status_code == 413
    with pytest.raises(openai.NotFoundError, match="there are /v1/models"):
        api.client().embeddings.create(model="near", input="x")


def test_an_unknown_model_and_one_that_is_not_here_are_named(api: Running) -> None:
    with pytest.raises(openai.NotFoundError, match="'other' does not exist; here: near, slow, gone"):
        api.client().chat.completions.create(model="other", messages=USER)
    with pytest.raises(openai.NotFoundError, match="'absent' is not here; fetch it first"):
        api.client().models.retrieve("absent")


@pytest.mark.parametrize("words", [600, 9_000])
@pytest.mark.parametrize("stream", [False, True])
def test_what_is_too_long_is_told_before_anything_is_written(api: Running, words: int, stream: bool) -> None:
    said = api.post({"model": "near", "messages": [{"role": "user", "content": "x " * words}], "stream": stream})
    assert (said.status_code, said.json()["error"]["code"]) == (400, "context_length_exceeded")


@pytest.mark.parametrize("stream", [False, True])
def test_a_worker_that_dies_midway_is_an_error_and_no_short_answer(api: Running, stream: bool) -> None:
    with pytest.raises(openai.APIError, match="the inference worker was killed"):
        list(api.client().chat.completions.create(model="gone", messages=USER, stream=stream))


def stop(api: Running) -> None:
    for job_id in list(api.service._jobs):
        api.service.cancel(job_id)


def forget(api: Running) -> None:
    api.service._jobs.clear()


@pytest.mark.parametrize("end", [stop, forget])
def test_a_reply_that_is_stopped_from_here_is_an_error_and_no_short_answer(
    api: Running, end: Callable[[Running], None]
) -> None:
    stream = api.client().chat.completions.create(model="slow", messages=USER, stream=True, max_tokens=400)
    next(iter(stream))
    end(api)
    with pytest.raises(openai.APIError, match="stopped before its end; ask again"):
        list(stream)


def test_who_leaves_within_the_body_is_no_failure_of_ours(api: Running) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b""}
    asyncio.run(api.app(scope, receive, send))
    assert sent[0]["status"] == 499


def test_a_slash_too_many_is_not_sent_to_where_the_client_says_it_is(api: Running) -> None:
    said = httpx.get(f"{api.url}/v1/models/", headers={"authorization": f"Bearer {TOKEN}", "host": "evil.example"})
    assert (said.status_code, said.json()["error"]["type"]) == (404, "invalid_request_error")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (RegistryError("models.toml: not TOML"), "models.toml: not TOML"),
        (RuntimeError("x\ny"), "the server's log has it"),
    ],
)
def test_what_goes_wrong_here_is_said_in_openais_form(error: Exception, message: str) -> None:
    def broken() -> Served:
        raise error

    app = Api(PlainTextResponse("the pages"), served=broken, token=TOKEN)
    client = TestClient(app, raise_server_exceptions=False)
    said = client.get("/v1/models", headers={"authorization": f"Bearer {TOKEN}"})
    assert (said.status_code, said.json()["error"]["type"]) == (500, "server_error")
    assert message in said.json()["error"]["message"]


def test_a_reply_goes_back_as_it_came_in_the_next_turn(api: Running) -> None:
    create = api.client().chat.completions.create
    said = create(model="near", messages=USER).choices[0].message
    assert create(model="near", messages=[*USER, said, *USER]).choices[0].message.content


def test_who_leaves_ends_the_reply(api: Running) -> None:
    stream = api.client().chat.completions.create(model="slow", messages=USER, stream=True, max_tokens=400)
    next(iter(stream))
    stream.close()
    wait_until(lambda: api.service.load().running == 0)


def wait_until(condition: Any) -> None:
    until = time.monotonic() + 3  # the reply itself would take 4 s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_api_waits_in_the_same_queue_as_the_visitors(api: Running) -> None:
    asked = Request(messages=(Message(role="user", content="x"),), sampling=Sampling(max_tokens=400))
    ids = [api.service.compare(f"v{at}", [LaneRequest(model_id="slow", request=asked)]) for at in range(2)]
    answers: list[str | None] = []
    ask = threading.Thread(
        target=lambda: answers.append(
            api.client().chat.completions.create(model="near", messages=USER).choices[0].message.content
        )
    )
    ask.start()
    wait_until(lambda: api.service.load().waiting == 1)
    assert answers == []
    api.service.cancel(ids[0])
    ask.join(20)
    assert answers == ["Paris is one of them"]


def test_our_own_engine_for_served_models_asks_it_too(
    api: Running, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_TOKEN", TOKEN)
    source = OpenAISource(url=f"{api.url}/v1", model="near", key="APP_TOKEN")
    engine = open_engine("llama_cpp", address_file(replace(entry("far", Path()), source=source)), LoadOptions())
    end = ask(engine, Request(messages=(Message(role="user", content="A city?"),))).finished
    engine.close()
    assert end and (end.text, end.completion_tokens, end.timings.prompt_tokens) == ("Paris is one of them", 5, 2)


def test_who_asks_for_more_than_waits_is_told_to_come_again(api: Running) -> None:
    asked = Request(messages=(Message(role="user", content="x"),), sampling=Sampling(max_tokens=9_000))
    for at in range(10):
        api.service.compare(f"v{at}", [LaneRequest(model_id="slow", request=asked)], person="the API")
    said = api.post({"model": "near", "messages": USER})
    assert (said.status_code, said.json()["error"]["type"]) == (429, "rate_limit_error")
    assert said.headers["retry-after"] == "2"


@pytest.mark.slow
def test_a_real_model_keeps_to_seed_schema_and_tells_its_log_probabilities(embedded_model: Path) -> None:
    running = Running({"real": entry("real", embedded_model)}, "llama_cpp")
    create = running.client().chat.completions.create
    try:
        texts = [
            create(model="real", messages=USER, seed=seed, max_tokens=24).choices[0].message.content
            for seed in (1, 1, 2)
        ]
        assert texts[0] == texts[1] != texts[2]
        schema = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}}, "required": ["city"]}
        held: Any = {"type": "json_schema", "json_schema": {"name": "city", "schema": schema}}
        said = create(model="real", messages=USER, response_format=held, temperature=0, max_tokens=60)
        assert json.loads(said.choices[0].message.content or "").keys() == {"city"}
        told = create(model="real", messages=USER, temperature=0, max_tokens=8, logprobs=True, top_logprobs=3).choices[
            0
        ]
        assert told.logprobs and told.logprobs.content
        for token in told.logprobs.content:
            assert token.logprob == max(other.logprob for other in token.top_logprobs) <= 0
        assert "".join(token.token for token in told.logprobs.content) == told.message.content
    finally:
        running.close()
