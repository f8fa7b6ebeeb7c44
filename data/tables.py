"""Tables as text: Markdown for documents, aligned columns for a terminal, and CSV as spreadsheets write it."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from data.errors import TradeoffError

_SEPARATORS = ",;\t|"
_EXCELS_MARK = re.compile(r'"?sep=(.)"?[,;\t|]*', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of a CSV file.

    Attributes:
        columns: Names in lower case.
        rows: The number of the line where each begins, and its cells by column; a missing one is empty.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]


def parse_csv(text: str, place: str, error: type[TradeoffError]) -> Table:
    """A table whose first row names the columns, parted by commas, semicolons, tabs or bars; empty rows are left out.

    Raises:
        error: Two columns of one name, a cell beyond the columns, or broken quotes; the line starts with `place`.
    """
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    first, _, rest = text.partition("\n")
    marked = _EXCELS_MARK.fullmatch(first.rstrip("\r"))
    separator = marked[1] if marked else _separator(text)
    records = _records(rest if marked else text, separator, place, error, begin=2 if marked else 1)
    columns = [name.strip().lower() for name in next(records, (0, []))[1]]
    if twice := [name for name, count in Counter(filter(None, columns)).items() if count > 1]:
        raise error(f"{place}: two columns are called {twice[0]!r}; give each a name of its own")
    rows = []
    for line, cells in records:
        if beyond := [cell for cell, name in zip(cells, [*columns, *[""] * len(cells)]) if not name and cell.strip()]:
            raise error(
                f"{place}: line {line}: more cells than columns, {beyond[0].strip()[:40]!r}; "
                f'put text that holds a {separator!r} in "quotes"'
            )
        given = dict(zip(columns, cells))
        rows.append((line, {name: given.get(name, "") for name in columns if name}))
    return Table(columns=tuple(filter(None, columns)), rows=tuple(rows))


def _separator(text: str) -> str:
    """The one that parts the first row into most columns."""

    def columns(separator: str) -> int:
        try:
            return len(
                next(csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=separator, strict=True), [])
            )
        except csv.Error:
            return 0

    return max(_SEPARATORS, key=columns)


def _records(
    text: str, separator: str, place: str, error: type[TradeoffError], *, begin: int
) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not empty, with the line where each begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    line = begin
    try:
        for cells in reader:
            if any(map(str.strip, cells)):
                yield line, cells
            line = begin + reader.line_num
    except csv.Error as problem:
        raise error(f"{place}: line {line}: not CSV ({problem})") from None


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
