"""The app as `app.serve` runs it: the pages, and around them what is there before they are."""

import contextlib
import os
import threading
from collections.abc import AsyncIterator
from typing import Any

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from streamlit.starlette import App

from app import runtime
from app.chat.visitors import is_operator
from app.space.first_view import FirstView, Told
from app.space.guard import Guard, rules
from app.space.messages import PagesOnly
from data.models.entries import RegistryError


def make_ready() -> None:
    """Load the first visitor's models, and work out their verdict, before anybody asks."""
    with contextlib.suppress(RegistryError, ValueError):  # no registry, or an empty one: the page says so
        runtime.service()
        runtime.headline()
        runtime.first_pair().start()


@contextlib.asynccontextmanager
async def while_serving(_: App) -> AsyncIterator[dict[str, Any]]:
    threading.Thread(target=make_ready, name="make-ready", daemon=True).start()
    yield {}


def told() -> Told:
    with contextlib.suppress(RegistryError, ValueError):  # no registry, or an empty one: the page says so
        picture = runtime.first_picture(runtime.default_pair(), "currentColor")
        return Told(sentence=runtime.headline().look().sentence, picture=picture[0] if picture else None)
    return Told()


def asks_as_operator(client: str | None, headers: Headers) -> bool:
    """As on the pages; a token comes as `Authorization: Bearer TOKEN`."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    given = token.strip() if scheme.lower() == "bearer" else None
    return is_operator(os.environ, st.get_option("server.address"), given, client=client, headers=headers)


app = App(
    "streamlit_app.py",
    lifespan=while_serving,
    middleware=[
        Middleware(Guard, headers=rules(os.environ), is_operator=asks_as_operator),
        Middleware(FirstView, told=told),
        Middleware(PagesOnly),
    ],
)
