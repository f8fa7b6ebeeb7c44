"""One visitor without a browser: speaks Streamlit's protocol over a WebSocket, keeps the page's timers, asks."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

BOX, AGAIN, QUEUED = "prompt box", "Regenerate", "Waiting for a free place"
PATIENCE_S = 600.0
PROMPT = "Tell a visitor to an old town in a paragraph what to see, and why."


class Disconnected(Exception):
    """The server has ended the connection."""


@dataclass(kw_only=True)
class Visit:
    """What one visitor met.

    Attributes:
        opened_s: From connecting to the prompt box.
        waited_s: Of each prompt: until its place in the queue was gone.
        took_s: Of each prompt: until both replies were there.
        refused: Lines in which a prompt was refused.
        broken: Error pages, ended connections, and what never came.
    """

    opened_s: float | None = None
    waited_s: list[float] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


class Visitor:
    """Follows the page as a browser does.

    Args:
        address: That the proxy would say; every visitor has an own one, as people do.
    """

    def __init__(self, url: str, address: str) -> None:
        self._url = url.replace("http", "ws", 1) + "/_stcore/stream"
        self._headers = {"X-Forwarded-For": address}
        self.visit = Visit()
        self._timers: dict[str, tuple[float, float]] = {}
        self._buttons: dict[str, str] = {}
        self._queued_at = 0.0
        self._alerts: list[str] = []

    async def stay(self, *, seconds: float, every_s: float, first_after_s: float) -> Visit:
        """Open the page, ask a prompt every so often, and leave."""
        until = time.monotonic() + seconds
        try:
            options: Any = {"subprotocols": ["streamlit"], "additional_headers": self._headers, "max_size": None}
            async with connect(self._url, **options) as it:
                self._socket: ClientConnection = it
                await self._open()
                due = time.monotonic() + first_after_s
                while due < until:
                    await self._follow(lambda: False, seconds=due - time.monotonic())
                    due = max(time.monotonic(), due + every_s)
                    await self._ask()
                await self._follow(lambda: False, seconds=until - time.monotonic())
        except (OSError, ConnectionClosed, Disconnected) as error:
            self.visit.broken.append(f"{type(error).__name__}: {error}")
        return self.visit

    async def _open(self) -> None:
        started = time.monotonic()
        await self._send(BackMsg())
        if await self._follow(lambda: BOX in self._buttons, seconds=60):
            self.visit.opened_s = time.monotonic() - started
        else:
            self.visit.broken.append("no prompt box within 60 s")

    async def _ask(self) -> None:
        press = BackMsg()
        state = press.rerun_script.widget_states.widgets.add()
        if again := self._buttons.pop(AGAIN, None):
            state.id, state.trigger_value = again, True
        else:
            state.id, state.chat_input_value.data = self._buttons.get(BOX, ""), PROMPT
        started = self._queued_at = time.monotonic()
        self._alerts.clear()
        await self._send(press)
        if not await self._follow(lambda: AGAIN in self._buttons or bool(self._alerts), seconds=PATIENCE_S):
            self.visit.broken.append(f"no end within {PATIENCE_S:g} s")
        elif self._alerts:
            self.visit.refused += self._alerts
        else:
            self.visit.waited_s.append(self._queued_at - started)
            self.visit.took_s.append(time.monotonic() - started)

    async def _send(self, message: BackMsg) -> None:
        if not message.HasField("rerun_script"):
            message.rerun_script.query_string = ""
        await self._socket.send(message.SerializeToString())

    async def _follow(self, done: Callable[[], bool], *, seconds: float) -> bool:
        """Take what comes and answer the timers, until it is done or the time is over."""
        deadline = time.monotonic() + seconds
        while not done() and (now := time.monotonic()) < deadline:
            for fragment, (interval, due) in list(self._timers.items()):
                if now >= due:
                    self._timers[fragment] = (interval, now + interval)
                    tick = BackMsg()
                    tick.rerun_script.fragment_id, tick.rerun_script.is_auto_rerun = fragment, True
                    await self._send(tick)
            next_due = min((due for _, due in self._timers.values()), default=now + 1)
            try:
                content = await asyncio.wait_for(self._socket.recv(), max(0.001, min(next_due, deadline) - now))
            except TimeoutError:
                continue
            self._take(ForwardMsg.FromString(content if isinstance(content, bytes) else b""))
        return done()

    def _take(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session" and not message.metadata.run.fragment_ids:
            self._timers.clear()  # the whole script runs again, and says what is to be looked at from now on
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._timers.pop(fragment, None)
        elif kind == "auto_rerun":
            interval, fragment = message.auto_rerun.interval, message.auto_rerun.fragment_id
            if self._timers.get(fragment, (None, 0))[0] != interval:
                self._timers[fragment] = (interval, time.monotonic() + interval)
        elif kind == "delta" and message.delta.HasField("new_element"):
            self._see(message)

    def _see(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        if element.HasField("button"):
            self._buttons[element.button.label] = element.button.id
        elif element.HasField("chat_input"):
            self._buttons[BOX] = element.chat_input.id
        elif element.HasField("exception"):
            self.visit.broken.append(f"an error page: {element.exception.type}")
        elif element.HasField("alert"):
            self._alerts.append(element.alert.body[:200])
        elif element.HasField("markdown") and QUEUED in element.markdown.body:
            self._queued_at = time.monotonic()
