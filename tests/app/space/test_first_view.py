import asyncio

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.space.first_view import PURPOSE, FirstView, Told, with_first_view

EMPTY = '<html><title>Streamlit</title><body><div id="root"></div></body></html>'
BROWSER = {"accept": "text/html,*/*", "if-none-match": '"old"', "accept-encoding": "gzip"}


def page(request: Request) -> Response:
    asked = [name for name in ("if-none-match", "accept-encoding") if name in request.headers]
    return HTMLResponse(EMPTY, headers={"x-asked": ",".join(asked)})


def get(path: str, sentence: str, headers: dict[str, str]) -> httpx.Response:
    routes = [Route("/", page), Route("/health", lambda request: PlainTextResponse("ok"))]
    served = Starlette(
        routes=routes, middleware=[Middleware(FirstView, told=lambda: Told(sentence=sentence, picture="<svg/>"))]
    )

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served), base_url="http://app") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(ask())


def test_a_browser_gets_the_verdict_in_the_page_and_never_an_old_copy_of_it() -> None:
    answer = get("/", "A answers +9 points more correctly than <b>B</b>", BROWSER)
    assert "+9 points more correctly than &lt;b&gt;B&lt;/b&gt;" in answer.text
    assert PURPOSE in answer.text and "<svg/>" in answer.text
    assert "<title>Tradeoff</title>" in answer.text and '<div id="root"><style>' in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content) and answer.headers["x-asked"] == ""


def test_what_is_not_a_page_for_a_browser_passes_untouched() -> None:
    assert get("/", "a verdict", {"accept": "*/*"}).text == EMPTY
    assert get("/health", "a verdict", BROWSER).text == "ok"


def test_without_a_verdict_or_in_a_page_of_another_form_nothing_is_made_up() -> None:
    assert with_first_view(EMPTY, Told()).count("<p>") == 1
    assert with_first_view("<html><body></body></html>", Told(sentence="a verdict")) == "<html><body></body></html>"
