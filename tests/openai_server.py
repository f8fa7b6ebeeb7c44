"""A small server of OpenAI's protocol on loopback, which answers as it is told, also badly; it waits for no clock."""

import json
import re
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from data.models.entries import ModelEntry, OpenAISource

KEY = "sk-RecognisableSecret0123456789"
Act = Callable[["Talk"], None]


@dataclass
class OpenAIServer:
    """State of the server; tests set it while it runs.

    Attributes:
        models: Names, and the owner of each.
        reply: Written word by word, where no act says otherwise.
        acts: What is done instead, for one request each, in order.
        lists: The same for questions after its models.
        requests: Bodies that arrived; `keys` are what came as authorization.
        at_once, most_at_once: Replies that are being written.
    """

    url: str = ""
    models: dict[str, str] = field(default_factory=lambda: {"tiny": "llamacpp"})
    reply: str = "The capital of France is Paris ."
    acts: deque[Act] = field(default_factory=deque)
    lists: deque[Act] = field(default_factory=deque)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    go_on: threading.Event = field(default_factory=threading.Event)

    def entry(self, model_id: str = "far", model: str = "tiny", **source: Any) -> ModelEntry:
        return ModelEntry(
            id=model_id,
            label="Far",
            base=model,
            size="?",
            quantization="unknown",
            licence="unknown",
            source=OpenAISource(url=f"{self.url}/v1", model=model, **source),
        )


class Talk(BaseHTTPRequestHandler):
    """One request."""

    server: Any
    body: dict[str, Any]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        state: OpenAIServer = self.server.state
        state.keys.append(self.headers.get("authorization", ""))
        if state.lists:
            state.lists.popleft()(self)
            return
        self.send(200, {"object": "list", "data": [{"id": k, "owned_by": v} for k, v in state.models.items()]})

    def do_POST(self) -> None:
        state: OpenAIServer = self.server.state
        self.body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with state.lock:
            state.keys.append(self.headers.get("authorization", ""))
            state.requests.append(self.body)
            act = state.acts.popleft() if state.acts else tell(state.reply)
            state.at_once += 1
            state.most_at_once = max(state.most_at_once, state.at_once)
        try:
            act(self)
        except OSError:  # the client has left
            pass
        finally:
            with state.lock:
                state.at_once -= 1

    def send(self, status: int, content: Any, **headers: str) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()

    def event(self, content: Any) -> None:
        self.wfile.write(f"data: {content if isinstance(content, str) else json.dumps(content)}\n\n".encode())
        self.wfile.flush()

    def piece(self, text: str | None = None, finish: str | None = None, **more: Any) -> None:
        delta = {} if text is None else {"content": text}
        self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **more}]})


def tell(text: str, *, usage: bool = True, timings: bool = True) -> Act:
    """Write a text word by word, as many as are asked for or until a stop string, and end as a good server does."""

    def act(talk: Talk) -> None:
        end = min((text.find(stop) for stop in talk.body.get("stop", ()) if stop in text), default=len(text))
        words = re.findall(r"\s*\S+|\s+", text[:end])
        said = words[: talk.body.get("max_tokens", len(words))]
        talk.begin()
        for word in said:
            talk.piece(word)
        talk.piece(finish="stop" if len(said) == len(words) else "length")
        prompt = sum(len(message["content"].split()) for message in talk.body["messages"])
        last: dict[str, Any] = {"choices": []}
        if usage:
            last["usage"] = {"prompt_tokens": prompt, "completion_tokens": len(said), "total_tokens": 0}
        if timings:
            last["timings"] = {"prompt_n": prompt, "prompt_ms": 100.0, "predicted_n": len(said), "predicted_ms": 500.0}
        talk.event(last)
        talk.event("[DONE]")

    return act


def refuse(status: int, message: str = "no", **headers: str) -> Act:
    return lambda talk: talk.send(status, {"error": {"message": message, "type": "x", "code": None}}, **headers)


def answer(content: bytes, kind: str = "text/html") -> Act:
    return lambda talk: talk.send(200, content, content_type=kind)


def cut_after(text: str) -> Act:
    """Write a piece, and close the connection in the middle of a promised length."""

    def act(talk: Talk) -> None:
        talk.send_response(200)
        talk.send_header("content-type", "text/event-stream")
        talk.send_header("content-length", "100000")
        talk.end_headers()
        talk.piece(text)
        talk.close_connection = True

    return act


def hold_after(text: str) -> Act:
    """Write a piece, and nothing more until the test says so."""

    def act(talk: Talk) -> None:
        talk.begin()
        talk.piece(text)
        talk.server.state.go_on.wait(30)
        talk.piece(" late", finish="stop")

    return act


@contextmanager
def serve_openai() -> Iterator[OpenAIServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Talk)
    state = OpenAIServer(url=f"http://127.0.0.1:{server.server_port}")
    server.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.go_on.set()
        server.shutdown()
        server.server_close()
        thread.join()
