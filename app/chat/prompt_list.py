"""A list of prompts, pasted or from a CSV file. No Streamlit in this module."""

import csv
import io

from data.errors import TradeoffError

MAX_PROMPTS = 200
COLUMN = "prompt"


class ListError(TradeoffError):
    """The list cannot be used; one line that says why."""


def pasted(text: str) -> list[str]:
    """One prompt a line; empty lines are left out.

    Raises:
        ListError: No prompt, or too many.
    """
    return _checked([line.strip() for line in text.splitlines() if line.strip()], "the list")


def from_csv(content: bytes, name: str = "the file") -> list[str]:
    """The column `prompt` of a CSV file with a header; case and a byte order mark do not matter.

    Raises:
        ListError: Not UTF-8, not CSV, no such column, no prompt, or too many.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ListError(f"{name}: byte {error.start} is not UTF-8; save it as UTF-8") from None
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise ListError(f"{name}: not CSV ({error})") from None
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if COLUMN not in header:
        has = ", ".join(cell.strip()[:40] for cell in rows[0][:8]) if rows else "nothing"
        raise ListError(f"{name}: no column {COLUMN!r}; it has {has}. Name the column of the prompts {COLUMN!r}")
    place = header.index(COLUMN)
    return _checked([row[place].strip() for row in rows[1:] if len(row) > place and row[place].strip()], name)


def _checked(prompts: list[str], name: str) -> list[str]:
    if not prompts:
        raise ListError(f"{name}: no prompt in it")
    if len(prompts) > MAX_PROMPTS:
        raise ListError(f"{name}: {len(prompts):,} prompts; {MAX_PROMPTS} at once are possible, split the list")
    return prompts
