"""A list of prompts, pasted or from a CSV file."""

from data.errors import TradeoffError
from data.records import decoded
from data.tables import parse_csv

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
    """The column `prompt` of a CSV file with a header, as spreadsheets write one.

    Raises:
        ListError: Not UTF-8, not CSV, no such column, no prompt, or too many.
    """
    table = parse_csv(decoded(content, name, ListError), name, ListError)
    if COLUMN not in table.columns:
        has = ", ".join(" ".join(column.split())[:40] for column in table.columns[:8]) or "nothing"
        raise ListError(f"{name}: no column {COLUMN!r}; it has {has}. Name the column of the prompts {COLUMN!r}")
    return _checked([row[COLUMN].rstrip() for _, row in table.rows if row[COLUMN].strip()], name)


def _checked(prompts: list[str], name: str) -> list[str]:
    if not prompts:
        raise ListError(f"{name}: no prompt in it")
    if len(prompts) > MAX_PROMPTS:
        raise ListError(f"{name}: {len(prompts):,} prompts; {MAX_PROMPTS} at once are possible, split the list")
    return prompts
