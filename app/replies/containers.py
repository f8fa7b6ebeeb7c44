"""What a line stands in: quotes, and the indentation of a fence."""

import re

DEEPEST_QUOTE = 4


def unquoted(line: str) -> tuple[int, int, str]:
    """How deep in quotes a line is, how far it is indented there, and its text."""
    depth, rest = 0, line.rstrip()
    while depth < DEEPEST_QUOTE and (found := re.match(r" {0,3}> ?", rest)):
        depth, rest = depth + 1, rest[found.end() :]
    text = rest.lstrip()
    return depth, len(rest) - len(text), text


def within_fence(line: str, indent: int, quotes: int) -> str | None:
    """A line of code without what its fence stands in; None where the quote has ended."""
    if not quotes:
        return re.sub(rf"^[ \t]{{0,{indent}}}", "", line)
    found = re.match(rf"[ \t]*(?:>[ \t]?){{{quotes}}}", line)
    return line[found.end() :] if found else None
