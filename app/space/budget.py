"""What one visitor may cost the others: messages and bytes of each connection and of each address, and connections.

This ASGI middleware counts before Streamlit does anything. What is beyond the budget is dropped; who goes on is
disconnected with one line that says why, and may come back. Everybody else's messages go their way meanwhile.
"""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.space.guard import UPLOADS
from data.allowance import Allowance, Rate
from data.events import count, note

MOST_MESSAGE_BYTES = 2 * 2**20
POLICY, TOO_BIG, LATER = 1008, 1009, 1013


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A page that is open asks two to five times a second; a click is one message more.

    Attributes:
        patience: Messages beyond the budget, dropped one after the other, until the connection ends.
        hold_s: So long nothing more is read of it before it ends, since many programs come back at once.
        punishment: Comings that such an end costs the address.
        uploads, uploads_of_address: Bytes by session and by address.
        open_of_address, open: Connections at the same time.
    """

    messages: Rate
    sent_bytes: Rate
    messages_of_address: Rate
    bytes_of_address: Rate
    patience: int
    hold_s: float
    punishment: float
    uploads: Rate
    uploads_of_address: Rate
    comings: Rate
    open_of_address: int
    open: int


USUAL = Limits(
    messages=Rate(per_s=10, burst=40),
    sent_bytes=Rate(per_s=128 * 2**10, burst=4 * 2**20),
    messages_of_address=Rate(per_s=200, burst=2_000),
    bytes_of_address=Rate(per_s=2**20, burst=32 * 2**20),
    patience=100,
    hold_s=5.0,
    punishment=20,
    uploads=Rate(per_s=2**10, burst=4 * 2**20),
    uploads_of_address=Rate(per_s=32 * 2**10, burst=32 * 2**20),
    comings=Rate(per_s=2, burst=100),
    open_of_address=64,
    open=1_000,
)


class Budgeted:
    """ASGI middleware around Streamlit's app.

    Args:
        address: Who asks, by the connection's other end and the request's headers; None where that tells nobody apart,
            and then the connection's own budget alone holds.
    """

    def __init__(
        self,
        app: ASGIApp,
        address: Callable[[str | None, Headers], str | None],
        limits: Limits = USUAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._address = app, address
        self.limits = limits
        self._clock = clock
        self._comings = Allowance(self.limits.comings, clock)
        self._messages = Allowance(self.limits.messages_of_address, clock)
        self._bytes = Allowance(self.limits.bytes_of_address, clock)
        self._uploads = Allowance(self.limits.uploads, clock)
        self._uploads_of_address = Allowance(self.limits.uploads_of_address, clock)
        self._open: Counter[str | None] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif scope["type"] == "http" and (refusal := self._refused_upload(scope)):
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = self._of(scope)
        if problem := self._refused_coming(address):
            note("connection.refused", reason=problem)
            await send({"type": "websocket.close", "code": LATER, "reason": problem})
            return
        self._open[address] += 1
        try:
            count("connection.opened")
            connection = _Connection(self, address, receive, send)
            await self._app(scope, connection.receive, connection.send)
        finally:
            count("connection.closed")
            self._open[address] -= 1
            self._open += Counter()

    def _refused_coming(self, address: str | None) -> str | None:
        if self._open.total() >= self.limits.open:
            return f"{self.limits.open} pages are open already; try again later"
        if address is None:
            return None
        if self._open[address] >= self.limits.open_of_address:
            return f"{self.limits.open_of_address} pages are open from your address; close one"
        return None if self._comings.take(address) else "too many new pages from your address; try again in a minute"

    def beyond(self, address: str | None, own: tuple[Allowance, Allowance], size: int) -> str | None:
        """Why a message of this size is too much, in one line; None where it is not, and then it is counted."""
        messages, sent = own
        limits = self.limits
        if not messages.take("", 1):
            return f"more than {limits.messages.per_s:g} messages a second"
        if not sent.take("", size):
            return f"more than {limits.sent_bytes.per_s / 2**10:g} KiB a second"
        if address is not None and not self._messages.take(address):
            return f"more than {limits.messages_of_address.per_s:g} messages a second from your address"
        if address is not None and not self._bytes.take(address, size):
            return f"more than {limits.bytes_of_address.per_s / 2**10:g} KiB a second from your address"
        return None

    def punish(self, address: str | None) -> None:
        if address is not None:
            self._comings.fine(address, self.limits.punishment)

    def own_budget(self) -> tuple[Allowance, Allowance]:
        return Allowance(self.limits.messages, self._clock), Allowance(self.limits.sent_bytes, self._clock)

    def _refused_upload(self, scope: Scope) -> PlainTextResponse | None:
        parts = [part for part in scope["path"].split("/") if part]
        door = UPLOADS.split("/")
        if parts[: len(door)] != door or scope["method"] not in ("PUT", "POST"):
            return None
        length = Headers(scope=scope).get("content-length", "")
        size = int(length) if length.isdecimal() and len(length) < 10 else 0  # without one the guard refuses it
        session, address = "/".join(parts[len(door) :][:1]), self._of(scope)
        if self._uploads.take(session, size) and (address is None or self._uploads_of_address.take(address, size)):
            return None
        count("upload.refused")
        return PlainTextResponse("that is enough for now: too many uploads, try again later", status_code=429)

    def _of(self, scope: Scope) -> str | None:
        client: Any = scope.get("client")
        return self._address(client[0] if client else None, Headers(scope=scope))


class _Connection:
    """One visitor's messages on their way in; once it is closed here, nothing more goes out."""

    def __init__(self, budgets: Budgeted, address: str | None, receive: Receive, send: Send) -> None:
        self._budgets, self._address, self._receive, self._send = budgets, address, receive, send
        self._id = uuid.uuid4().hex[:8]
        self._own = budgets.own_budget()
        self._dropped, self._closed = 0, False

    async def receive(self) -> Message:
        while True:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            size = len(message.get("bytes") or message.get("text") or "")
            if size > MOST_MESSAGE_BYTES:
                return await self._end(TOO_BIG, f"a message of more than {MOST_MESSAGE_BYTES / 2**20:g} MiB")
            if (problem := self._budgets.beyond(self._address, self._own, size)) is None:
                self._dropped = 0
                return message
            self._dropped += 1
            count("message.dropped")
            if self._dropped == 1:
                note("message.dropped", times=0, connection=self._id, reason=problem)
            if self._dropped > self._budgets.limits.patience:
                return await self._end(POLICY, problem)

    async def send(self, message: Message) -> None:
        if not self._closed:
            self._closed = message["type"] == "websocket.close"
            await self._send(message)

    async def _end(self, code: int, reason: str) -> Message:
        self._budgets.punish(self._address)
        if code != TOO_BIG:  # what was read ahead of it is not held
            await asyncio.sleep(self._budgets.limits.hold_s)
        note("connection.ended", connection=self._id, reason=reason)
        await self.send({"type": "websocket.close", "code": code, "reason": reason})
        return {"type": "websocket.disconnect", "code": code}
