"""What the browser shows until the app's scripts have loaded: what this is, and the verdict, as plain HTML.

Streamlit's page is empty until its scripts have been read, which takes seconds on a slow machine. This ASGI middleware
writes a first view into that page; the app replaces it when it is ready.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAME = "Tradeoff"
PURPOSE = (
    "Which model should you run on a plain CPU? Put two side by side: see what each writes, how fast it is, and how "
    "often it is right."
)

_ROOT = '<div id="root"></div>'
_LOOK = """
.first { max-width: 46rem; margin: 12vh auto 0; padding: 0 1.5rem; font: 16px/1.55 Inter, sans-serif; color: #0e1622 }
.first h1 { font-size: 1.6rem; font-weight: 650; line-height: 1.3; margin: 0 0 1rem }
.first svg { display: block; width: 100%; max-width: 32rem; margin: 0 0 1rem }
.first small { color: #55606f }
@media (prefers-color-scheme: dark) {
  body { background: #10151d } .first { color: #e8edf4 } .first small { color: #a3afbf }
}
"""
_UNWANTED = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
_OF_THE_FILE = (b"content-length", b"etag", b"last-modified", b"accept-ranges")


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of the models that a first visitor sees.

    Attributes:
        sentence: The verdict on them.
        picture: Speed against quality as SVG, whose names are escaped.
    """

    sentence: str | None = None
    picture: str | None = None


def with_first_view(page: str, told: Told) -> str:
    """Streamlit's empty page with the first view in it; a page of another form is left as it is."""
    verdict = f"<p>{escape(told.sentence)}</p>" if told.sentence else ""
    view = (
        f'<style>{_LOOK}</style><div class="first"><h1>{NAME}</h1><p>{PURPOSE}</p>{told.picture or ""}{verdict}'
        "<small>The prompt box is on its way …</small></div>"
    )
    return page.replace(_ROOT, f'<div id="root">{view}</div>').replace("<title>Streamlit<", "<title>Tradeoff<")


class FirstView:
    """ASGI middleware around Streamlit's app.

    Args:
        told: Gives what is known; asked at every page that is opened.
    """

    def __init__(self, app: ASGIApp, told: Callable[[], Told]) -> None:
        self._app, self._told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] == "/"
        if not first or b"text/html" not in _of(scope["headers"], b"accept"):
            await self._app(scope, receive, send)
            return
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _UNWANTED]
        page = _Page(send, self._told)
        await self._app({**scope, "headers": kept}, receive, page.send)


class _Page:
    """A response on its way: held back and rewritten if it is HTML, passed on if not."""

    def __init__(self, send: Send, told: Callable[[], Told]) -> None:
        self._send, self._told = send, told
        self._start: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and b"text/html" in _of(message["headers"], b"content-type"):
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._finish(self._start)

    async def _finish(self, start: Message) -> None:
        body = with_first_view(self._body.decode(), self._told()).encode()
        headers = [(name, value) for name, value in start["headers"] if name.lower() not in _OF_THE_FILE]
        await self._send({**start, "headers": [*headers, (b"content-length", str(len(body)).encode())]})
        await self._send({"type": "http.response.body", "body": body})


def _of(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return next((value for key, value in headers if key.lower() == name), b"")
