"""Parts of a reply, each shown by itself, and as few of them as a page can take."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MOST_APART = 24
"""Above this, code goes into the prose: a page sends every part again whenever the reply has grown."""
LONG_ENOUGH = 2_000
"""Characters after which a part may end, so that a reply's growth does not draw its beginning anew."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """A stretch of a reply.

    Attributes:
        kind: prose is Markdown for `st.markdown`, code is as the model wrote it, plain is text without any markup.
        language: What a block of code says it is; "" where it says nothing.
    """

    kind: Literal["prose", "code", "plain"]
    text: str
    language: str = ""


def merged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The same parts; many of them in larger pieces, with the code between fences, which lose blanks on empty lines."""
    if len(parts) <= MOST_APART:
        return tuple(parts)
    found: list[Part] = []
    for part in parts:
        text = _fenced(part)
        if text is None:
            found.append(part)
        elif found and found[-1].kind == "prose" and len(found[-1].text) < LONG_ENOUGH:
            found[-1] = Part(kind="prose", text=f"{found[-1].text}\n\n{text}")
        else:
            found.append(Part(kind="prose", text=text))
    return tuple(found)


def _fenced(part: Part) -> str | None:
    """As Markdown; None for code that Streamlit would change there, or draw."""
    if part.kind == "prose":
        return part.text
    if part.kind == "plain" or ":material/" in part.text or part.language == "mermaid":
        return None
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", part.text)), default=0))
    return f"{fence}{part.language}\n{part.text}\n{fence}"
