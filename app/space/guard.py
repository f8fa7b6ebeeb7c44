"""What the server answers around the pages: rules for the browser with every answer, and doors that are closed.

Streamlit takes uploads of any size from whoever has a session, and tells its figures to whoever asks. The pages want a
list of prompts and no more, and the figures are the operator's. This ASGI middleware stands in front of it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

UPLOADS, FIGURES = "_stcore/upload_file", "_stcore/metrics"
MOST_UPLOADED = 2**20
HUGGING_FACE = ("https://huggingface.co", "https://*.huggingface.co")
"""Shows a Space in a frame of its own page."""

_POLICY = {
    "default-src": "'self'",
    "script-src": "'self' 'unsafe-inline' 'unsafe-eval'",  # Streamlit's page has an inline script; Vega makes functions
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'self'",
    "form-action": "'self'",
}


def rules(environment: Mapping[str, str]) -> dict[str, str]:
    """Headers of every answer; only on a Space may another site show the pages in a frame."""
    framed_by = ("'self'", *(HUGGING_FACE if "SPACE_ID" in environment else ()))
    policy = {**_POLICY, "frame-ancestors": " ".join(framed_by)}
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
    }


class Guard:
    """ASGI middleware around Streamlit's app.

    Args:
        headers: Set on every answer, whatever Streamlit says.
        is_operator: Whether who asks, by the connection's other end and the request's headers, is the operator.
    """

    def __init__(
        self, app: ASGIApp, headers: Mapping[str, str], is_operator: Callable[[str | None, Headers], bool]
    ) -> None:
        self._app, self._is_operator = app, is_operator
        self._headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_rules(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*_others(message["headers"], self._headers), *self._headers]}
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, with_rules)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        path = "/".join(part for part in scope["path"].split("/") if part)
        if _is_at(path, UPLOADS) and not _is_small(Headers(scope=scope)):
            return PlainTextResponse(f"at most {MOST_UPLOADED:,} bytes, announced by Content-Length", status_code=413)
        if _is_at(path, FIGURES) and not self._is_operator(_client(scope), Headers(scope=scope)):
            return PlainTextResponse("for the operator: Authorization: Bearer TOKEN", status_code=403)
        return None


def _is_small(headers: Headers) -> bool:
    size = headers.get("content-length", "0" if "transfer-encoding" not in headers else "")
    return size.isdecimal() and len(size) < 10 and int(size) <= MOST_UPLOADED


def _is_at(path: str, door: str) -> bool:
    return path == door or path.startswith(f"{door}/")


def _client(scope: Scope) -> str | None:
    client: Any = scope.get("client")
    return client[0] if client else None


def _others(headers: Iterable[tuple[bytes, bytes]], ours: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    names = {name for name, _ in ours}
    return [(name, value) for name, value in headers if name.lower() not in names]
