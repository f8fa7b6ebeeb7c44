"""One server of OpenAI's protocol, through the official client: its models, and the stream of one reply.

The key is read from its environment variable here and goes nowhere but to the address of the entry: redirections are
not followed, and no message has it. Whatever a server says becomes one line (`ServedError`).
"""

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.engine.contract import EngineError, Request
from benchmarks.engine.reply_text import ReplyText
from benchmarks.engine.served.piece import Piece, piece_of
from data.models.entries import OpenAISource
from data.records import whole_characters

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

CONNECT_S, PATIENCE_S = 10.0, 120.0
"""Until a server is reached, and between two pieces of what it says."""
MOST_BYTES = 64 * 2**20
"""Of one answer, whatever is in it."""
_AGAIN = (408, 409, 425, 429)
_MOST_SAID, _MOST_NAMED = 200, 12
_OWN_FIELDS = ("llamacpp", "tradeoff", "vllm")
"""Servers, as their lists of models name the owner, that take more than OpenAI's own fields."""


class ServedError(EngineError):
    """What went wrong with a server.

    Attributes:
        status: HTTP's, where it answered.
        again: The same request may go well later, after `after_s` seconds where the server says so.
    """

    def __init__(
        self, text: str, *, status: int | None = None, again: bool = False, after_s: float | None = None
    ) -> None:
        super().__init__(text)
        self.status, self.again, self.after_s = status, again, after_s


class Server:
    """Where one model is served. Its methods may be called from any thread.

    Raises:
        EngineError: The key's variable is not set, or holds what is no key.
    """

    def __init__(self, source: OpenAISource, *, patience_s: float = PATIENCE_S) -> None:
        self._source, self._patience_s = source, patience_s
        self._key = _key_of(source)
        self._client = _client(source.url, self._key, patience_s)
        self._owner = ""

    @property
    def where(self) -> str:
        return self._source.host

    def check(self) -> None:
        """Ask for its models, and note what kind of server it is; one that has no list of them may have the model.

        Raises:
            ServedError: It cannot be reached, refuses the key, or has no such model.
        """
        try:
            owners = self._models()
        except ServedError as error:
            if error.status in (404, 405):
                return
            raise
        if self._source.model not in owners:
            raise ServedError(self._unknown(list(owners)))
        self._owner = owners[self._source.model]

    def stream(self, request: Request) -> Iterator[Piece]:
        """The reply to a request, piece by piece; leaving it early closes the connection.

        Raises:
            ServedError: There is none, or it ends in the middle.
        """
        try:
            with self._client.chat.completions.create(**self._fields(request)) as chunks:
                yield from self._without_key(map(piece_of, chunks))
        except ServedError:
            raise
        except Exception as error:
            raise self._explained(error) from None

    def close(self) -> None:
        self._client.close()

    def _without_key(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The same pieces, as long as none has the key: who reads them need not be who may use it."""
        held = {name: ReplyText((self._key,) if self._key else ()) for name in ("text", "thinking")}
        for piece in pieces:
            certain = {name: text.push(getattr(piece, name).encode()) for name, text in held.items()}
            if piece.finish:
                certain = {name: certain[name] + text.finish() for name, text in held.items()}
            if any(text.stopped for text in held.values()):
                raise ServedError(f"{self.where} repeats the key in its answer, which was ended there")
            yield replace(piece, **certain)  # type: ignore[arg-type]

    def _models(self) -> dict[str, str]:
        """Names, and who owns each."""
        try:
            found = {model.id: str(getattr(model, "owned_by", "")) for model in self._client.models.list().data}
            if not all(isinstance(name, str) for name in found):
                raise TypeError("a model's name is no text")
            return found
        except Exception as error:
            raise self._explained(error) from None

    def _fields(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        limit = "max_completion_tokens" if self.where.endswith("openai.com") else "max_tokens"
        fields: dict[str, Any] = {
            "model": self._source.model,
            "messages": [{"role": each.role, "content": whole_characters(each.content)} for each in request.messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            limit: sampling.max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if sampling.stop:
            fields["stop"] = list(sampling.stop)
        if request.logprobs is not None:
            fields |= {"logprobs": True, "top_logprobs": request.logprobs}
        if sampling.json_schema:
            schema = {"name": "reply", "schema": json.loads(sampling.json_schema), "strict": True}
            fields["response_format"] = {"type": "json_schema", "json_schema": schema}
        return fields | {"extra_body": self._more_fields(request)}

    def _more_fields(self, request: Request) -> dict[str, Any]:
        """What not every server knows; one of no known kind is told only what is not as usual."""
        sampling, known = request.sampling, self._owner in _OWN_FIELDS
        penalty = "repetition_penalty" if self._owner == "vllm" else "repeat_penalty"
        wanted: dict[str, Any] = {"top_k": sampling.top_k, "min_p": sampling.min_p, penalty: sampling.repeat_penalty}
        usual = {"top_k": 0, "min_p": 0.0, penalty: 1.0}
        found = {name: value for name, value in wanted.items() if known or value != usual[name]}
        if known and sampling.ignore_eos:
            found["ignore_eos"] = True
        if known and sampling.template_switches:
            found["chat_template_kwargs"] = dict(sampling.template_switches)
        if self._owner == "llamacpp":
            found |= {"timings_per_token": True} | ({"cache_prompt": False} if request.cold else {})
        return found

    def _explained(self, error: Exception) -> ServedError:
        import httpx2
        import openai

        if isinstance(error.__cause__, httpx2.ConnectTimeout):
            return ServedError(f"{self.where} cannot be reached ({CONNECT_S:g} s are waited)", again=True)
        if isinstance(error, openai.APITimeoutError):
            return ServedError(f"{self.where} was silent for too long ({self._patience_s:g} s are waited)")
        if isinstance(error, openai.APIConnectionError):
            return ServedError(
                f"{self.where} cannot be reached, or broke off ({self._safe(_cause(error))})", again=True
            )
        if isinstance(error, openai.APIStatusError):
            return self._refused(error)
        if isinstance(error, openai.APIError) and not isinstance(error, openai.APIResponseValidationError):
            return ServedError(f"{self.where} failed: {self._said(error)}")
        return ServedError(f"{self.where} does not speak OpenAI's protocol ({type(error).__name__}); is url right?")

    def _refused(self, error: "APIStatusError") -> ServedError:
        status = error.status_code
        if 300 <= status < 400:
            target = re.sub(r"^(https?://)?(?:[^/@]*@)?([^/?#]*).*$", r"\2", error.response.headers.get("location", ""))
            return ServedError(
                f"{self.where} redirects to {self._safe(target)[:80] or 'another address'}, which is not followed: "
                "keys stay home; if that is right, write its address as url"
            )
        if status in (401, 403):
            name = f"${self._source.key}" if self._source.key else "no key, as the entry names no variable"
            return ServedError(f"{self.where} refuses the key ({status}); it was asked with {name}")
        if status == 404 and "model" in (said := self._said(error)).lower():
            return self._no_model(said)
        return ServedError(
            f"{self.where} answers ({status}) {self._said(error)}",
            status=status,
            again=status in _AGAIN or status >= 500,
            after_s=_after_s(error.response.headers),
        )

    def _no_model(self, said: str) -> ServedError:
        try:
            return ServedError(self._unknown(list(self._models())))
        except ServedError:
            return ServedError(f"{self.where} answers (404) {said}")

    def _unknown(self, names: list[str]) -> str:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        has = ", ".join(self._safe(name)[:80] for name in names[:_MOST_NAMED]) or "none"
        return f"{self.where} has no model {self._source.model!r}; it has: {has}{more}"

    def _said(self, error: Exception) -> str:
        """The server's own words on one line, short, and without the key where it repeats that."""
        body = getattr(error, "body", None)
        told = [body.get(key) for key in ("message", "detail")] if isinstance(body, dict) else [body]
        return self._safe(next((each for each in told if isinstance(each, str) and each), str(error)))

    def _safe(self, text: str) -> str:
        line = " ".join("".join(each if each.isprintable() else " " for each in text).split())
        return (line.replace(self._key, "…") if self._key else line)[:_MOST_SAID]


def _key_of(source: OpenAISource) -> str:
    if source.key is None:
        return ""
    value = os.environ.get(source.key, "").strip()
    if not value:
        raise EngineError(f"{source.host} needs a key; set the environment variable {source.key}")
    if not re.fullmatch(r"[!-~]+", value):
        raise EngineError(f"{source.key} has a character that no key has, such as a space; copy the key again")
    return value


def _client(url: str, key: str, patience_s: float) -> "OpenAI":
    """Of no other settings than the entry's: not of OPENAI_API_KEY, which is for another address."""
    import openai

    timeout = openai.Timeout(patience_s, connect=CONNECT_S)
    transport = openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout, event_hooks={"response": [_bound]})
    return openai.OpenAI(
        base_url=url,
        api_key=key or "none",
        organization="",
        project="",
        max_retries=0,
        default_headers={"accept-encoding": "identity"},
        http_client=transport,
    )


def _bound(response: Any) -> None:
    """Have the reading of a response end where it is too long: its lines have no bound of their own.

    What is packed although nobody asked for that could become a thousand times as long behind this bound.
    """
    from httpx2 import ReadError, SyncByteStream

    stream = response.stream
    if (packed := response.headers.get("content-encoding", "identity")) != "identity":
        raise ReadError(f"it answers in {packed:.20}, which nobody asked for")

    class Bounded(SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            total = 0
            for part in stream:
                total += len(part)
                if total > MOST_BYTES:
                    raise ReadError(f"more than {MOST_BYTES:,} bytes")
                yield part

        def close(self) -> None:
            stream.close()

    response.stream = Bounded()


def _cause(error: BaseException) -> str:
    """The innermost reason, such as "Connection refused"."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (" ".join(str(error).split()) or type(error).__name__)[:_MOST_SAID]


def _after_s(headers: Mapping[str, str]) -> float | None:
    said = headers.get("retry-after", "")
    return float(said) if re.fullmatch(r"\d{1,4}(\.\d+)?", said) else None
