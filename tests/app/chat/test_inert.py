import html

import pytest

from app.chat.inert import inert_cell, inert_markdown


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
