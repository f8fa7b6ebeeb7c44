"""OpenAI's form of chat completions: a request's body read and checked, and replies, pieces and errors written."""

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.chat.lanes import Lane
from benchmarks.engine.contract import Request, Sampling
from benchmarks.engine.limits import MOST_ALTERNATIVES
from benchmarks.engine.logprobs import TokenLogprob
from data.errors import TradeoffError
from data.json_schema import checked
from data.message import Message, Role
from data.records import did_you_mean, fits, parse_json, shown

OWNER = "tradeoff"
_ROLES: Mapping[str, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_NUMBERS: Mapping[str, type] = {
    **dict.fromkeys(("temperature", "top_p", "min_p", "repeat_penalty"), float),
    **dict.fromkeys(("top_k", "seed", "max_tokens"), int),
}
_NEUTRAL = {"n": 1, "presence_penalty": 0, "frequency_penalty": 0, "store": False}
"""Fields that clients send as a matter of course, and the one value that each may have."""
_IGNORED = ("user", "metadata", "cache_prompt", "timings_per_token")
_KNOWN = (
    *("model", "messages", "stream", "stream_options", *_NUMBERS, "max_completion_tokens", "stop", "logprobs"),
    *("top_logprobs", "response_format", "chat_template_kwargs", "ignore_eos", *_NEUTRAL, *_IGNORED),
)
_WORDS = {str: "a text", bool: "true or false", dict: "an object", int: "a whole number", float: "a number"}


class ApiError(TradeoffError):
    """An answer that is none: HTTP's status, and what OpenAI's clients read of it."""

    def __init__(
        self,
        text: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(text)
        self.status, self.kind, self.param, self.code = status, kind, param, code

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it is understood."""

    model: str
    request: Request
    stream: bool
    with_usage: bool


def read_body(body: bytes, context_tokens: int) -> Asked:
    """What a body asks for. A number that it leaves out is as OpenAI has it.

    Args:
        context_tokens: A reply may be so long where no limit is given.

    Raises:
        ApiError: It is no JSON object, or has a field that is not known, or a value that cannot be.
    """
    fields = {key: value for key, value in parse_json(body, "the body", ApiError).items() if value is not None}
    if unknown := next((key for key in fields if key not in _KNOWN), None):
        hint = did_you_mean(unknown, _KNOWN)
        raise ApiError(f"unknown field {shown(unknown)}{hint}; known: {', '.join(sorted(_KNOWN))}", param=unknown[:80])
    for key, only in _NEUTRAL.items():
        if fields.get(key, only) != only:
            raise _wrong(key, fields[key], f"only {only!r} is served")
    model = _typed(fields, "model", str, None)
    if model is None:
        raise ApiError("model is missing; GET /v1/models lists them", param="model")
    options = _typed(fields, "stream_options", dict, {})
    try:
        request = Request(messages=_messages(fields), sampling=_sampling(fields, context_tokens), logprobs=_top(fields))
    except ValueError as error:
        raise ApiError(str(error), param=str(error).partition(" ")[0]) from None
    return Asked(
        model=model,
        request=request,
        stream=_typed(fields, "stream", bool, False),
        with_usage=options.get("include_usage") is True,
    )


def _sampling(fields: Mapping[str, Any], context_tokens: int) -> Sampling:
    given = {name: _typed(fields, name, kind, None) for name, kind in _NUMBERS.items() if name in fields}
    most = _typed(fields, "max_completion_tokens", int, None)
    stop = fields.get("stop", [])
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(each, str) for each in stops):
        raise _wrong("stop", stop, "it must be a text or a list of texts")
    usual: dict[str, Any] = {
        "temperature": 1.0,
        "max_tokens": context_tokens if most is None else most,
        "seed": secrets.randbelow(2**32),
    }
    return Sampling(
        **usual | given,
        stop=tuple(stops),
        ignore_eos=_typed(fields, "ignore_eos", bool, False),
        json_schema=_schema(_typed(fields, "response_format", dict, {"type": "text"})),
        template_switches=tuple(_switches(_typed(fields, "chat_template_kwargs", dict, {})).items()),
    )


def _switches(given: Mapping[str, Any]) -> Mapping[str, Any]:
    for name, value in given.items():
        if not isinstance(value, bool | int | float | str):
            raise _wrong("chat_template_kwargs", {name: value}, "each is true, false, a number or a text")
    return given


def _schema(form: Mapping[str, Any]) -> str:
    kind = form.get("type")
    if kind == "text":
        return ""
    if kind == "json_object":
        return checked('{"type": "object"}')
    given = form.get("json_schema")
    if kind != "json_schema" or not isinstance(given, dict) or not isinstance(given.get("schema"), dict):
        raise _wrong("response_format", form, "it must be of type text, json_object, or json_schema with a schema")
    try:
        return checked(json.dumps(given["schema"]))
    except ValueError as error:
        raise ApiError(str(error), param="response_format") from None


def _top(fields: Mapping[str, Any]) -> int | None:
    top: int = _typed(fields, "top_logprobs", int, 0)
    if not 0 <= top <= MOST_ALTERNATIVES:
        raise _wrong("top_logprobs", top, f"it must lie between 0 and {MOST_ALTERNATIVES}")
    if _typed(fields, "logprobs", bool, False):
        return top
    if top:
        raise ApiError("top_logprobs stands without logprobs; set logprobs to true", param="top_logprobs")
    return None


def _messages(fields: Mapping[str, Any]) -> tuple[Message, ...]:
    given = fields.get("messages")
    if not isinstance(given, list) or not given:
        raise _wrong("messages", given, "it must be a list of at least one message")
    return tuple(_message(place, each) for place, each in enumerate(given))


def _message(place: int, given: Any) -> Message:
    where = f"messages.{place}"
    if not isinstance(given, dict):
        raise _wrong(where, given, "it must be an object with role and content")
    fields = {key: value for key, value in given.items() if value is not None}
    role, content = fields.get("role"), fields.get("content")
    if not isinstance(role, str) or role not in _ROLES:
        raise ApiError(f"{where}: role is {shown(role)}; known: {', '.join(_ROLES)}", param=where)
    if unknown := next((key for key in fields if key not in ("role", "content", "name")), None):
        raise ApiError(f"{where}: unknown field {shown(unknown)}; known: role, content", param=where)
    parts = [content] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise ApiError(f"{where}: content is {shown(content)}; it must be a text", param=where)
    return Message(role=_ROLES[role], content="".join(_text(where, part) for part in parts))


def _text(where: str, part: Any) -> str:
    if isinstance(part, dict) and part.get("type") == "text":
        part = part.get("text")
    if not isinstance(part, str):
        raise ApiError(f"{where}: a part of the content is {shown(part)}; only text is served", param=where)
    return part


def _typed(fields: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = fields.get(name, default)
    if value is default or fits(value, kind):
        return value
    raise _wrong(name, value, f"it must be {_WORDS[kind]}")


def _wrong(name: str, value: Any, wanted: str) -> ApiError:
    return ApiError(f"{name} is {shown(value)}; {wanted}", param=name)


def model_record(model_id: str) -> dict[str, Any]:
    return {"id": model_id, "object": "model", "created": 0, "owned_by": OWNER}


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What all pieces of one reply say."""

    id: str
    model: str
    created: int
    logprobs: bool

    @classmethod
    def of(cls, asked: Asked, comparison_id: str) -> "Writing":
        told = asked.request.logprobs is not None
        return cls(id=f"chatcmpl-{comparison_id}", model=asked.model, created=int(time.time()), logprobs=told)

    def whole(self, lane: Lane) -> dict[str, Any]:
        message = {"role": "assistant", "content": lane.text, "refusal": None}
        choice = {"index": 0, "message": message, "finish_reason": _finish(lane), "logprobs": self._told(lane.logprobs)}
        return {**self._head("chat.completion"), "choices": [choice], **figures(lane)}

    def first(self) -> dict[str, Any]:
        return self._piece({"role": "assistant", "content": ""})

    def more(self, text: str, logprobs: Sequence[TokenLogprob]) -> dict[str, Any]:
        return self._piece({"content": text}, logprobs=self._told(logprobs))

    def last(self, lane: Lane) -> dict[str, Any]:
        return self._piece({}, finish=_finish(lane))

    def usage(self, lane: Lane) -> dict[str, Any]:
        return {**self._head("chat.completion.chunk"), "choices": [], **figures(lane)}

    def _piece(self, delta: dict[str, str], *, finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _told(self, logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        records = [
            {**_token(each.token, each.logprob), "top_logprobs": [_token(*other) for other in each.top]}
            for each in logprobs
        ]
        return {"content": records, "refusal": None}


def _finish(lane: Lane) -> str:
    return "length" if lane.reason == "length" else "stop"


def _token(token: bytes, logprob: float) -> dict[str, Any]:
    return {"token": token.decode(errors="replace"), "bytes": list(token), "logprob": logprob}


def figures(lane: Lane) -> dict[str, Any]:
    """Tokens, and the model's own seconds as llama.cpp's server names them; what is not known is left out."""
    read, written, timings = lane.prompt_tokens or 0, lane.completion_tokens, lane.timings
    usage = {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": lane.cached_tokens},
    }
    if timings is None or timings.prefill_s is None or timings.decode_s is None:
        return {"usage": usage}
    own = {"cache_n": lane.cached_tokens, "prompt_n": timings.prefill_tokens, "predicted_n": written}
    return {
        "usage": usage,
        "timings": own | {"prompt_ms": 1000 * timings.prefill_s, "predicted_ms": 1000 * timings.decode_s},
    }
