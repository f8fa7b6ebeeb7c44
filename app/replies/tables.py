"""Rows of a Markdown table, taken apart and put together."""

import re

from app.replies.lines import inert_line

_DELIMITER = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$")


def is_delimiter(line: str, columns: int) -> bool:
    """Whether this line, below a head of so many cells, makes a table of them."""
    return _DELIMITER.match(line) is not None and len(cells(line)) == columns


def cells(line: str) -> list[str]:
    """Its cells, without the bars; one that is escaped belongs to the text."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", inner)]


def fitted(found: list[str], count: int) -> list[str]:
    """As many cells as the head has; what is too much goes into the last, for Markdown would drop it."""
    return [*found[: count - 1], " ".join(found[count - 1 :])] + [""] * (count - len(found))


def row(found: list[str]) -> str:
    """A row whose cells are lines of a reply."""
    return f"| {' | '.join(inert_line(cell, cell=True) for cell in found)} |"


def delimiter(line: str, columns: int) -> str:
    """The row below the head, with the alignments that the line has."""
    marks = [re.sub("-+", "---", mark) for mark in cells(line)] if is_delimiter(line, columns) else []
    return f"| {' | '.join(marks or ['---'] * columns)} |"
