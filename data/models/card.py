"""What the card of a published fine-tune says of its making and results, as plain text and tables.

`training.card.model_card` writes such cards, but whoever owns the repository may have written another. Reading one
therefore never fails: what has not the form is left out, and what is left is short.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

TITLES = ("Training", "Data", "Loss", "Parity", "Benchmark", "Limits")
_MOST_CHARACTERS, _MOST_ROWS, _MOST_COLUMNS, _MOST_CELL_CHARACTERS = 4_000, 40, 12, 200


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a card.

    Attributes:
        text: Its paragraphs and lists.
        rows: Of its table, by column.
        verbatim: What stood in fences: the benchmark's table, aligned with spaces.
    """

    text: str
    rows: tuple[Mapping[str, str], ...]
    verbatim: str


Card = Mapping[str, Section]


def read_card(markdown: str) -> Card:
    """The sections with one of `TITLES`, by title, in the card's order; empty where there is none."""
    _, *parts = re.split(r"^## (.*)$", markdown, flags=re.MULTILINE)
    sections = zip((title.strip() for title in parts[::2]), parts[1::2])
    return {title: _section(body) for title, body in sections if title in TITLES}


def _section(body: str) -> Section:
    text, table, verbatim, fenced = [], [], [], False
    for line in body.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            verbatim.append(line)
        elif line.startswith("|"):
            table.append(_cells(line))
        elif not line.startswith("!["):
            text.append(line)
    names = [name or " " * place for place, name in enumerate(table[0][:_MOST_COLUMNS])] if table else []
    return Section(
        text=_joined(text),
        rows=tuple(dict(zip(names, cells)) for cells in table[2 : 2 + _MOST_ROWS]),
        verbatim=_joined(verbatim),
    )


def _cells(line: str) -> list[str]:
    cells = re.split(r"(?<!\\)\|", line.strip()[1:].removesuffix("|"))
    return [" ".join(cell.replace("\\|", "|").replace("`", "").split())[:_MOST_CELL_CHARACTERS] for cell in cells]


def _joined(lines: list[str]) -> str:
    return "\n".join(lines).strip("\n")[:_MOST_CHARACTERS]
