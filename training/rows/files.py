"""Rows of a file: JSON Lines, a JSON array, or Parquet."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from training.config import TrainingError
from training.rows.conversations import UnusableRow
from training.rows.jsonl import Row, json_rows

Placed = tuple[str, Row]
"""A row's place, such as "line 3", and the row, or why it cannot be read."""


def rows_in(where: str, path: Path) -> Iterator[Placed]:
    """The rows of a file, by its name's ending.

    Raises:
        TrainingError: A table of another kind, or a file that cannot be read; begins with `where`.
    """
    if path.suffix.lower() in (".csv", ".tsv"):
        raise TrainingError(f"{where}: {path}: rows are read from JSON Lines and Parquet; write one JSON object a row")
    return _parquet_rows(where, path) if path.suffix.lower() == ".parquet" else json_rows(where, path)


def _parquet_rows(where: str, path: Path) -> Iterator[Placed]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            yield from placed(file.iter_batches(batch_size=1000))
    except (pa.ArrowException, OSError) as error:
        raise TrainingError(f"{where}: {path}: not Parquet ({' '.join(str(error).split())[:200]})") from None


def placed(batches: Iterable[Any]) -> Iterator[Placed]:
    """Rows of Arrow's record batches."""
    rows = (row for batch in batches for row in _listed(batch))
    return ((f"row {number}", row) for number, row in enumerate(rows, start=1))


def _listed(batch: Any) -> list[Row]:
    try:
        rows: list[Row] = batch.to_pylist()
    except ValueError as error:  # Arrow does not look into its texts before they are asked for
        if batch.num_rows == 1:
            reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else "a value that cannot be read"
            return [UnusableRow(reason, f"{reason} ({' '.join(str(error).split())[:200]})")]
        return [row for place in range(batch.num_rows) for row in _listed(batch.slice(place, 1))]
    return rows
