"""What differs between two replies, word by word."""

import functools
import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

MAX_WORDS = 400
"""Of each reply; on repetitive text the comparison takes time that grows with the cube of the words."""

Change = Literal["same", "removed", "added"]
_WORD = re.compile(r"\S+\s*|\s+")
_MARKS = {"same": "{}", "removed": "<del>{}</del>", "added": "<ins>{}</ins>"}


@dataclass(frozen=True, kw_only=True)
class Segment:
    change: Change
    text: str


@functools.lru_cache(maxsize=64)
def word_diff(before: str, after: str) -> tuple[Segment, ...]:
    """How `before` becomes `after`; white space belongs to the word in front of it."""
    left, right = _words(before), _words(after)
    matcher = SequenceMatcher(None, [word.strip() for word in left], [word.strip() for word in right], autojunk=False)
    segments: list[Segment] = []
    for tag, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        if tag == "equal":
            segments.append(Segment(change="same", text="".join(right[right_start:right_end])))
            continue
        if left_end > left_start:
            segments.append(Segment(change="removed", text="".join(left[left_start:left_end])))
        if right_end > right_start:
            segments.append(Segment(change="added", text="".join(right[right_start:right_end])))
    return tuple(segments)


def is_cut(text: str) -> bool:
    """Whether the comparison leaves out a reply's end."""
    return len(_WORD.findall(text)) > MAX_WORDS


def shared_share(segments: Sequence[Segment]) -> float | None:
    """Share of all words that both replies have; None for two empty ones."""
    counts = {change: sum(len(s.text.split()) for s in segments if s.change == change) for change in _MARKS}
    whole = 2 * counts["same"] + counts["removed"] + counts["added"]
    return 2 * counts["same"] / whole if whole else None


def common_share(one: str, other: str) -> float | None:
    """Share of all words that are in both texts, wherever they stand: quick, however long and repetitive they are."""
    words = Counter(one.split()), Counter(other.split())
    whole = sum(each.total() for each in words)
    return 2 * (words[0] & words[1]).total() / whole if whole else None


def as_html(segments: Sequence[Segment]) -> str:
    """Escaped text with `del` and `ins`, which screen readers know and no colour is needed for."""
    return "".join(_MARKS[segment.change].format(html.escape(segment.text)) for segment in segments)


def _words(text: str) -> list[str]:
    return _WORD.findall(text)[:MAX_WORDS]
