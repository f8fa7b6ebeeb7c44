import html

import pytest

from app.chat.inert import inert_cell, inert_markdown, without_folders


@pytest.mark.parametrize(
    "text",
    ["![i](http://example.org/x.png)", "<b>x</b>", "$x^2$", ":red[x]", "**bold** _it_ `code`", "a | b", "# title"],
)
def test_markdown_signs_become_entities_and_the_text_stays_the_same(text: str) -> None:
    inert = inert_markdown(text)
    assert not set("\\`*_{}[]<>|~$!:^@") & set(inert.replace("&#", "").replace(";", ""))
    assert html.unescape(inert) == text


def test_plain_words_are_left_alone_and_lines_are_joined() -> None:
    assert (
        inert_markdown("full·r16 says (this), 3.5 MB\n# no heading") == "full·r16 says (this), 3.5 MB &#35; no heading"
    )


def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe() -> None:
    assert [inert_cell(text) for text in ("=1+1", "-2", "@x", "plain")] == ["'=1+1", "'-2", "'@x", "plain"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/ann/models/a.gguf: not a GGUF file", "a.gguf: not a GGUF file"),
        ("[Errno 13] Permission denied: '/srv/my models/b c.gguf'", "[Errno 13] Permission denied: 'b c.gguf'"),
        ("cannot open file:///srv/x/y.json, try later", "cannot open y.json, try later"),
        ("~ann/state/votes.sqlite: locked", "votes.sqlite: locked"),
        ("../runs/one/run.json: not JSON", "run.json: not JSON"),
        ("error:/opt/x/y (in /opt/z)", "error:y (in z)"),
        ("PATH=/usr/bin:/home/ann/bin", "PATH=bin:bin"),
        ("see https://huggingface.co/me/tiny, 3 tok/s and/or core/x-1", None),
    ],
)
def test_a_visitor_is_not_told_where_files_lie(text: str, shown: str | None) -> None:
    assert without_folders(text) == (shown or text)
