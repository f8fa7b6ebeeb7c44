"""The app as `app.serve` runs it: the pages, and around them what is there before they are."""

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

from starlette.middleware import Middleware
from streamlit.starlette import App

from app import runtime
from app.space.first_view import FirstView
from app.space.messages import PagesOnly
from data.models.entries import RegistryError


def make_ready() -> None:
    """Load the first visitor's models, and work out their verdict, before anybody asks."""
    with contextlib.suppress(RegistryError, ValueError):  # no registry, or an empty one: the page says so
        runtime.service()
        runtime.headline()


@contextlib.asynccontextmanager
async def while_serving(_: App) -> AsyncIterator[dict[str, Any]]:
    threading.Thread(target=make_ready, name="make-ready", daemon=True).start()
    yield {}


def sentence() -> str | None:
    with contextlib.suppress(RegistryError, ValueError):  # no registry, or an empty one: the page says so
        return runtime.headline().sentence
    return None


app = App(
    "streamlit_app.py",
    lifespan=while_serving,
    middleware=[Middleware(FirstView, sentence=sentence), Middleware(PagesOnly)],
)
