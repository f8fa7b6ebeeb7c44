"""The app's models at /v1, as OpenAI's API has them, for who brings the operator's token.

A request waits in the same queue as the visitors' comparisons, runs in the same worker, and gets the same share of its
time as any of them. Who leaves ends their reply.
"""

import asyncio
import contextlib
import hmac
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.form import ApiError, Asked, Writing, model_record, read_body
from app.chat.generation import CHARACTERS_PER_TOKEN, GenerationService, Refused
from app.chat.lanes import Lane, LaneRequest
from data.errors import TradeoffError
from data.events import note
from data.models.entries import Registry
from data.models.fetch import local_path

MOST_BYTES = 4 * 2**20
LOOK_S = 2.0
"""Until a reply is looked at again though nothing is new: what nobody looks at is ended."""
RETRY_S = 2
_LEFT = 499
"""Nobody reads it: whoever asked has gone."""
PERSON = "the API"
"""Whoever has the token is one person in the queue."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served: models of the registry, by the service of the pages."""

    service: GenerationService
    registry: Registry

    def models(self) -> list[str]:
        """Those whose file is here; nothing is fetched for a request."""
        return [model_id for model_id, entry in self.registry.items() if local_path(entry, self.registry)]


class Api:
    """ASGI middleware: answers what is below /v1, and passes the rest on.

    Args:
        served: Called with each request, on a thread.
        token: Without one nobody is served.
    """

    def __init__(self, app: ASGIApp, served: Callable[[], Served], token: str | None) -> None:
        self._app, self._served, self._token = app, served, token
        routes = [
            Route("/v1/models", self._list, methods=["GET"]),
            Route("/v1/models/{model_id}", self._describe, methods=["GET"]),
            Route("/v1/chat/completions", self._complete, methods=["POST"]),
        ]
        handlers = {404: _no_such, 405: _no_such, TradeoffError: _said, Exception: _said}
        self._routes = Starlette(routes=routes, exception_handlers=handlers)
        self._routes.router.redirect_slashes = False  # to an address that the client's own Host would name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith("/v1/"):
            await self._app(scope, receive, send)
        elif self._is_allowed(Headers(scope=scope)):
            await self._routes(scope, receive, send)
        else:
            refusal = ApiError(
                "for the operator: send the token as `Authorization: Bearer TOKEN`",
                status=401,
                kind="authentication_error",
                code="invalid_api_key",
            )
            await _said(None, refusal)(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        right = hmac.compare_digest(given.strip().encode(), (self._token or "").encode())
        return bool(self._token) and scheme.lower() == "bearer" and right

    async def _list(self, request: HttpRequest) -> Response:
        served = await asyncio.to_thread(self._served)
        models = await asyncio.to_thread(served.models)
        return JSONResponse({"object": "list", "data": [model_record(model_id) for model_id in models]})

    async def _describe(self, request: HttpRequest) -> Response:
        served = await asyncio.to_thread(self._served)
        return JSONResponse(model_record(await _known(served, request.path_params["model_id"])))

    async def _complete(self, request: HttpRequest) -> Response:
        try:
            return await self._answer(request)
        except ClientDisconnect:
            return Response(status_code=_LEFT)

    async def _answer(self, request: HttpRequest) -> Response:
        served = await asyncio.to_thread(self._served)
        asked = read_body(await _body(request), served.service.options.context_tokens)
        await _known(served, asked.model)
        reply = _begin(served.service, asked)
        try:
            await _until(request, reply, lambda now: bool(now.text or now.done))
            if asked.stream:
                return StreamingResponse(_events(reply, asked), media_type="text/event-stream")
            return JSONResponse(reply.writing.whole(await _until(request, reply, lambda now: now.done)))
        except BaseException:
            reply.end()
            raise


class _Reply:
    """One comparison of a single lane, and a bell that rings when it changes."""

    def __init__(self, service: GenerationService, asked: Asked) -> None:
        self._service, self._bell, loop = service, asyncio.Event(), asyncio.get_running_loop()

        def ring() -> None:
            with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(self._bell.set)

        lane = LaneRequest(model_id=asked.model, request=asked.request)
        self._id = service.compare(f"api-{uuid.uuid4().hex}", [lane], person=PERSON, on_change=ring)
        self.writing = Writing.of(asked, self._id)

    async def next(self) -> Lane:
        """The lane after its next change, or as it is after a while."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._bell.wait(), LOOK_S)
        self._bell.clear()
        return self.now()

    def now(self) -> Lane:
        snapshot = self._service.snapshot(self._id)
        if snapshot is None:
            raise _stopped()
        return snapshot.lanes[0]

    def end(self) -> None:
        self._service.cancel(self._id)


def _begin(service: GenerationService, asked: Asked) -> _Reply:
    characters = sum(len(message.content) for message in asked.request.messages)
    if characters > (most := service.options.context_tokens * CHARACTERS_PER_TOKEN):
        raise _too_long(f"the messages have {characters:,} characters; at most {most:,} go; shorten them")
    try:
        reply = _Reply(service, asked)
    except Refused as error:
        raise ApiError(str(error), status=429, kind="rate_limit_error") from None
    note("api.asked", model=asked.model, stream=asked.stream)
    return reply


async def _until(request: HttpRequest, reply: _Reply, is_enough: Callable[[Lane], bool]) -> Lane:
    """The lane once that is so.

    Raises:
        ClientDisconnect: Nobody waits for it any more.
        ApiError: It failed, or was stopped.
    """
    lane = reply.now()
    while not is_enough(lane):
        if await request.is_disconnected():
            raise ClientDisconnect
        lane = await reply.next()
    _check(lane)
    return lane


async def _events(reply: _Reply, asked: Asked) -> AsyncIterator[str]:
    """The reply as server-sent events; whoever stops reading ends it."""
    writing, characters, tokens = reply.writing, 0, 0
    try:
        yield _event(writing.first())
        while True:
            lane = reply.now()
            if len(lane.text) > characters:
                yield _event(writing.more(lane.text[characters:], lane.logprobs[tokens:]))
                characters, tokens = len(lane.text), len(lane.logprobs)
            if lane.done:
                break
            await reply.next()
        _check(lane)
        yield _event(writing.last(lane))
        if asked.with_usage:
            yield _event(writing.usage(lane))
        yield "data: [DONE]\n\n"
    except ApiError as error:
        yield _event(error.body)
    finally:
        reply.end()


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content, ensure_ascii=False)}\n\n"


async def _body(request: HttpRequest) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            raise ApiError(f"the body has more than {MOST_BYTES:,} bytes", status=413)
    return bytes(body)


async def _known(served: Served, model_id: str) -> str:
    models = await asyncio.to_thread(served.models)
    if model_id not in models:
        here = "is not here; fetch it first" if model_id in served.registry else "does not exist"
        has = ", ".join(models) or "none"
        raise ApiError(
            f"the model {model_id[:80]!r} {here}; here: {has}", status=404, param="model", code="model_not_found"
        )
    return model_id


def _check(lane: Lane) -> None:
    """Refuse a reply that did not come to its own end; what it had written is no answer.

    Raises:
        ApiError: It failed, or was stopped.
    """
    if lane.error:
        raise _failed(lane.error)
    if lane.reason == "cancelled":
        raise _stopped()


def _stopped() -> ApiError:
    return ApiError("the reply was stopped before its end; ask again", status=500, kind="server_error")


def _failed(error: str) -> ApiError:
    """An engine's one line; what the request brought about is the client's to mend."""
    if "the context holds" in error:
        return _too_long(error)
    if "JSON schema" in error or "the prompt is empty" in error or "chat template" in error:
        return ApiError(error)
    return ApiError(error, status=500, kind="server_error")


def _too_long(text: str) -> ApiError:
    return ApiError(text, param="messages", code="context_length_exceeded")


def _said(request: HttpRequest | None, error: Exception) -> Response:
    """Every error in OpenAI's form; of one that nobody expected the log alone tells more."""
    if not isinstance(error, ApiError):
        text = str(error) if isinstance(error, TradeoffError) else "something went wrong here; the server's log has it"
        error = ApiError(text, status=500, kind="server_error")
    headers = {"retry-after": f"{RETRY_S:g}"} if error.status == 429 else None
    return JSONResponse(error.body, status_code=error.status, headers=headers)


def _no_such(request: HttpRequest, error: Exception) -> Response:
    text = f"no {request.method} {request.url.path[:80]}; there are /v1/models and /v1/chat/completions"
    return _said(request, ApiError(text, status=getattr(error, "status_code", 404)))
