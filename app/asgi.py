"""The app as `app.serve` runs it: the pages, and around them what is there before they are."""

import asyncio
import contextlib
import ctypes
import gc
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import streamlit as st
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from streamlit.runtime import Runtime, exists, get_instance
from streamlit.starlette import App

from app import runtime
from app.api.server import Api, Served
from app.chat.visitors import address_of, is_operator, usable_token
from app.machine import descriptors
from app.space.budget import USUAL, Budgeted
from app.space.first_view import FirstView, Told
from app.space.guard import Guard, rules
from app.space.messages import PagesOnly
from data import events
from data.models.entries import RegistryError
from data.settings import API

SWEEP_S = 20.0


def make_ready() -> None:
    """Load the first visitor's models, and work out their verdict, before anybody asks."""
    with contextlib.suppress(RegistryError, ValueError):  # no registry, or an empty one: the page says so
        runtime.service()
        runtime.headline()
        runtime.first_pair().start()


@contextlib.asynccontextmanager
async def while_serving(_: App) -> AsyncIterator[dict[str, Any]]:
    events.to_stderr()
    threading.Thread(target=make_ready, name="make-ready", daemon=True).start()
    sweeping = asyncio.create_task(sweep())
    yield {}
    sweeping.cancel()


async def sweep() -> None:
    while True:
        await asyncio.sleep(SWEEP_S)
        if exists() and forget_departed(get_instance()):
            await asyncio.to_thread(give_memory_back)


def forget_departed(pages: Runtime) -> int:
    """Drop sessions whose time to come back is over; how many. Streamlit does so only when the next one leaves."""
    kept: Any = pages._session_mgr._session_storage  # type: ignore[attr-defined]
    return len(kept._cache.expire())


def give_memory_back() -> None:
    """Sessions are circles, which the collector alone finds; what they leave lies in pieces, which malloc keeps."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


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


def address(client: str | None, headers: Headers) -> str | None:
    return address_of(os.environ, client, headers.getlist("x-forwarded-for"))


def served_models() -> Served:
    return Served(service=runtime.service(), registry=runtime.registry())


app = App(
    "streamlit_app.py",
    lifespan=while_serving,
    middleware=[
        Middleware(Guard, headers=rules(os.environ), is_operator=asks_as_operator),
        *([Middleware(Api, served=served_models, token=usable_token(os.environ))] if API.read() else []),
        Middleware(FirstView, told=told),
        Middleware(Budgeted, address=address, limits=replace(USUAL, open=descriptors.pages(descriptors.limit()))),
        Middleware(PagesOnly),
    ],
)
