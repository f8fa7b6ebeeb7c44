"""Rows of a JSON Lines file, or of a JSON array; a line that cannot be read is handed on with its reason."""

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from data.records import MOST_BYTES, lone_surrogate
from training.config import TrainingError
from training.rows.conversations import UnusableRow

Row = Mapping[str, Any] | UnusableRow
_LONGEST_INDENT = 64


def json_rows(where: str, path: Path) -> Iterator[tuple[str, Row]]:
    """Each line's place and object; empty lines are left out. A line is read only up to 64 MiB.

    Raises:
        TrainingError: The file is UTF-16; begins with `where`.
    """
    with path.open("rb") as file:
        start = file.read(64)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise TrainingError(f"{where}: {path}: UTF-16; save the file as UTF-8")
        file.seek(len(codecs.BOM_UTF8) if start.startswith(codecs.BOM_UTF8) else 0)
        if (entries := _array(file)) is not None:
            yield from ((f"entry {number}", _checked(entry)) for number, entry in enumerate(entries, start=1))
            return
        for number, line in enumerate(_lines(file), start=1):
            if line.strip():
                yield f"line {number}", _parsed(line.strip())


def _array(file: BinaryIO) -> list[Any] | None:
    """The entries of a file that is one JSON array of less than 64 MiB; else None, and nothing is read."""
    begin = file.tell()
    content = file.read(_LONGEST_INDENT)
    if content.lstrip().startswith(b"["):
        content += file.read(MOST_BYTES)
    file.seek(begin)
    if not content.lstrip().startswith(b"[") or len(content) > MOST_BYTES:
        return None
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(each, dict) for each in found[:1]) else None


def _lines(file: BinaryIO) -> Iterator[bytes]:
    while line := file.readline(MOST_BYTES):
        rest = line
        while len(rest) == MOST_BYTES and not rest.endswith(b"\n"):
            rest = file.readline(MOST_BYTES)
        yield line


def _parsed(line: bytes) -> Row:
    if len(line) >= MOST_BYTES:
        return UnusableRow("too long a line", f"more than {MOST_BYTES:,} bytes")
    try:
        text = line.decode("utf-8")
        return _checked(json.loads(text), escapes="\\u" in text)
    except UnicodeDecodeError as error:
        return UnusableRow("not UTF-8", f"byte {error.start} of the line is not UTF-8: {line[:80]!r}")
    except (ValueError, RecursionError) as error:
        return UnusableRow("not JSON", f"not JSON ({_in_words(error)}): {line[:80]!r}")


def _in_words(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def _checked(row: Any, *, escapes: bool = True) -> Row:
    """The JSON of a file that is UTF-8 can write half a character as an escape only."""
    if not isinstance(row, dict):
        return UnusableRow("not an object", "expected an object")
    if escapes and (half := lone_surrogate(json.dumps(row, ensure_ascii=False))):
        return UnusableRow("half a character", f"half a character, {half}; write the whole, or leave it out")
    return row
