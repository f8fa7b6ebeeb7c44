"""Replies on the static pages: Markdown is laid out, and nothing in it is fetched, linked or run."""

import re
import time

import pytest

from benchmarks.reports.replies import as_html


@pytest.mark.parametrize(
    ("reply", "part"),
    [
        ("```py\nif a < b:\n```", '<pre><code class="language-py">if a &lt; b:\n</code></pre>'),
        ("|a|b|\n|-|-|\n|1|2|", "<td>1</td>"),
        ("- one\n- two", "<li>one</li>"),
        ("1. one\n2. two", "<ol>"),
        ("**yes**", "<strong>yes</strong>"),
        ("- so \\[ x = \\frac{1}{2} \\]", "so \\[ x = \\frac{1}{2} \\]"),
        ("- 2*3*4 and f(2)*(3)*x_1 + y_1", "<li>2*3*4 and f(2)*(3)*x_1 + y_1</li>"),
    ],
)
def test_markdown_is_laid_out(reply: str, part: str) -> None:
    assert part in (as_html(reply) or "")


@pytest.mark.parametrize(
    "reply", ["Paris.", "3 < 4 & 5", "one\ntwo\n\nthree", "", "<b>bold?</b>", "2 * 3 * 4", "2*3*4", "\\(\\boxed{7}\\)"]
)
def test_what_is_no_markdown_stays_text(reply: str) -> None:
    assert as_html(reply) is None


@pytest.mark.parametrize(
    "reply",
    [
        "![x](http://a.example/b.png)",
        "[x](http://a.example)",
        "[x](javascript:alert(1))",
        "[x]: http://a.example\n[x]",
        "<http://a.example>",
        "http://a.example",
        "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>",
        "<div\nonclick=alert(1)>",
        "```<img src=x>\nx\n```",
        '```"onload="x\nx\n```',
        "&lt;script&gt;",
        "|<img src=x>|b|\n|-|-|\n|1|2|",
    ],
)
def test_no_reply_fetches_leads_or_runs(reply: str) -> None:
    written = as_html(f"**x** {reply}\n\n{reply}") or ""
    tags = re.findall(r"<[a-z][^>]*>", written)
    known = r"<(p|br /|strong|em|pre|code( class=\"language-[^\"<>]*\")?|table|thead|tbody|tr|th|td)>"
    assert tags and all(re.fullmatch(known, tag) for tag in tags)


def test_a_reply_that_is_too_rich_is_text_at_once() -> None:
    begin = time.monotonic()
    assert as_html("> " * 100_000) is None and as_html("*a" * 5_000) is None
    assert time.monotonic() - begin < 1
