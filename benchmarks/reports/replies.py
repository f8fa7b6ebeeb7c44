"""Models' replies as HTML of the static pages: Markdown that is read, never fetched, linked or run."""

import re
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_LEFT_OUT = ["image", "link", "autolink", "reference", "html_block", "html_inline", "entity", "escape"]
"""What fetches, leads or is no text; and escapes, which formulas would lose their marks to."""
_MOST_CHARACTERS, _MOST_MARKS = 20_000, 4_000
_TIMES, _MARK = re.compile(r"(?<=[\w)])\*(?=[\w(])"), "\ue000"
_MORE_THAN_LINES = re.compile(r"<(?!/?p>|br)")


def as_html(reply: str) -> str | None:
    """A reply's blocks as HTML: code, tables, lists, emphasis; addresses and tags stay text.

    Returns:
        None where plain text shows the same, or where the reply is too rich to be drawn quickly.
    """
    if len(reply) > _MOST_CHARACTERS or sum(map(reply.count, "*_`~[|>#")) > _MOST_MARKS:
        return None
    written = _markdown().render(_TIMES.sub(_MARK, reply)).replace(_MARK, "*")
    return written if _MORE_THAN_LINES.search(written) else None


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable("table").disable(_LEFT_OUT)
