"""What a browser may ask of the server over Streamlit's connection: the pages' own messages, and no others.

The protocol also knows messages that are meant for a developer at his own machine: to empty every cache, to drop the
connection, to stop the server. This ASGI middleware takes them out before Streamlit sees them.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg

UNWANTED = frozenset(
    {"clear_cache", "set_run_on_save", "load_git_info", "debug_disconnect_websocket", "debug_shutdown_runtime"}
)


class PagesOnly:
    """ASGI middleware around Streamlit's app."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return

        async def wanted() -> Message:
            while _is_unwanted(message := await receive()):
                continue
            return message

        await self._app(scope, wanted, send)


def _is_unwanted(message: Message) -> bool:
    if message["type"] != "websocket.receive" or not (content := message.get("bytes")):
        return False
    try:
        return BackMsg.FromString(content).WhichOneof("type") in UNWANTED
    except Exception:  # protobuf's own kinds: Streamlit says what it thinks of it
        return False
