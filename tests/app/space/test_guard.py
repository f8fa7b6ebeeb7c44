"""Doors of the server beside the pages, asked over HTTP as anybody may."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.space.guard import MOST_UPLOADED, Guard, rules

METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS")


async def anything(request: object) -> PlainTextResponse:
    return PlainTextResponse("reached", headers={"X-Content-Type-Options": "lax", "X-Kept": "yes"})


def asked(
    path: str,
    method: str = "GET",
    *,
    operator: bool = False,
    environment: Mapping[str, str] | None = None,
    content: bytes = b"",
) -> httpx.Response:
    streamlit = Starlette(routes=[Route("/{path:path}", anything, methods=list(METHODS))])
    guard = Guard(streamlit, rules(environment or {}), lambda client, headers: operator)

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://app") as client:
            return await client.request(method, f"http://app{path}", content=content)

    return asyncio.run(ask())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("operator", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        "/_stcore/upload_file/session/file",
        "/_stcore/upload_file",
        "//_stcore//upload_file/a/b",
        "/_stcore/upload%5Ffile/session/file",
    ],
)
def test_a_list_of_prompts_may_be_uploaded_and_nothing_that_fills_the_memory(
    path: str, method: str, operator: bool
) -> None:
    assert asked(path, method, operator=operator, content=b"x" * MOST_UPLOADED).text in ("reached", "")
    refused = asked(path, method, operator=operator, content=b"x" * (MOST_UPLOADED + 1))
    assert refused.status_code == 413 and "reached" not in refused.text


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/", "//_stcore/metrics", "/_stcore/%6detrics"])
def test_the_servers_figures_are_for_the_operator(path: str) -> None:
    assert asked(path).status_code == 403
    assert asked(path, operator=True).text == "reached"


@pytest.mark.parametrize("path", ["/", "/_stcore/health", "/_stcore/metrics", "/_stcore/upload_file/a/b", "/none"])
def test_every_answer_has_the_rules_once(path: str) -> None:
    headers = asked(path).headers
    for name in rules({}):
        assert headers.get_list(name) == [rules({})[name]]


def test_what_else_an_answer_says_stays() -> None:
    assert asked("/").headers["x-kept"] == "yes"


def test_only_hugging_face_shows_a_space_in_a_frame_and_nobody_an_app_elsewhere() -> None:
    def framed_by(environment: Mapping[str, str]) -> str:
        return rules(environment)["content-security-policy"].partition("frame-ancestors ")[2]

    assert framed_by({}) == "'self'"
    assert framed_by({"SPACE_ID": "me/app"}) == "'self' https://huggingface.co https://*.huggingface.co"
