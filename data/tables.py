"""Tables as text: Markdown for documents, aligned columns for a terminal."""

from collections.abc import Iterable, Sequence


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], *, numbers_from: int | None = None) -> str:
    """A Markdown table; cells are one line each, and a `|` in one stays in it.

    Args:
        numbers_from: The column from which all are aligned to the right.
    """
    rule = ["---:" if numbers_from is not None and place >= numbers_from else "---" for place in range(len(head))]
    lines = [[_cell(text) for text in head], rule, *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two spaces apart."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def _cell(text: str) -> str:
    flat = " ".join(text.split("\n"))
    return flat.replace("|", "\\|") if "\\|" not in flat else flat
