from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from app.first_view import FirstView, with_first_view

EMPTY = '<html><title>Streamlit</title><body><div id="root"></div></body></html>'
BROWSER = {"accept": "text/html,*/*", "if-none-match": '"old"', "accept-encoding": "gzip"}


def page(request: Request) -> Response:
    asked = [name for name in ("if-none-match", "accept-encoding") if name in request.headers]
    return HTMLResponse(EMPTY, headers={"x-asked": ",".join(asked)})


def client(sentence: str | None) -> TestClient:
    routes = [Route("/", page), Route("/health", lambda request: PlainTextResponse("ok"))]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(FirstView, sentence=lambda: sentence)]))


def test_a_browser_gets_the_verdict_in_the_page_and_never_an_old_copy_of_it() -> None:
    answer = client("A answers +9 points more correctly than <b>B</b>").get("/", headers=BROWSER)
    assert "+9 points more correctly than &lt;b&gt;B&lt;/b&gt;" in answer.text
    assert "<title>Tradeoff</title>" in answer.text and '<div id="root"><style>' in answer.text
    assert int(answer.headers["content-length"]) == len(answer.content) and answer.headers["x-asked"] == ""


def test_what_is_not_a_page_for_a_browser_passes_untouched() -> None:
    assert client("a verdict").get("/", headers={"accept": "*/*"}).text == EMPTY
    assert client("a verdict").get("/health", headers=BROWSER).text == "ok"


def test_without_a_verdict_or_in_a_page_of_another_form_nothing_is_made_up() -> None:
    assert "<p>" not in with_first_view(EMPTY, None)
    assert with_first_view("<html><body></body></html>", "a verdict") == "<html><body></body></html>"
