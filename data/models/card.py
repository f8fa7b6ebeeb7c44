"""What a published fine-tune says of its making and results: sections that its page shows, and a file `card.json`.

`training.card.model_card` makes the sections and writes them twice, as Markdown for people and as JSON for the app.
Whoever owns the repository may have put anything there: what is read is bounded, and only ever shown as text.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from data.errors import ModelError
from data.records import build, parse_json

CARD_FILE = "card.json"
SCHEMA_VERSION = 1
_MOST_SECTIONS, _MOST_CHARACTERS, _MOST_ROWS, _MOST_COLUMNS, _MOST_CELL_CHARACTERS = 12, 4_000, 40, 12, 200


@dataclass(frozen=True, kw_only=True)
class CardSection:
    """A part of a card.

    Attributes:
        text: Its paragraphs and lists.
        head, rows: Of its table, if it has one.
        verbatim: What is aligned with spaces, such as the benchmark's table.
    """

    title: str
    text: str = ""
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    verbatim: str = ""


def card_json(sections: Iterable[CardSection]) -> str:
    """The sections as `card.json` holds them."""
    content = {"schema_version": SCHEMA_VERSION, "sections": [asdict(section) for section in sections]}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_card(text: str, place: str) -> tuple[CardSection, ...]:
    """The sections of a `card.json`, each cut to what a page can show.

    Args:
        place: What the error names.

    Raises:
        ModelError: It is not a card of this schema.
    """
    content = parse_json(text, place, ModelError)
    sections = content.get("sections")
    if content.get("schema_version") != SCHEMA_VERSION or not isinstance(sections, list):
        raise ModelError(f"{place}: not a card of schema version {SCHEMA_VERSION}")
    if not all(isinstance(section, dict) for section in sections):
        raise ModelError(f"{place}: a section is no object")
    return tuple(_shortened(build(CardSection, section, ModelError)) for section in sections[:_MOST_SECTIONS])


def _shortened(section: CardSection) -> CardSection:
    columns = max(1, min(len(section.head), _MOST_COLUMNS))
    return CardSection(
        title=_cell(section.title),
        text=section.text[:_MOST_CHARACTERS],
        head=tuple(map(_cell, section.head[:columns])),
        rows=tuple(tuple(map(_cell, row[:columns])) for row in section.rows[:_MOST_ROWS]),
        verbatim=section.verbatim[:_MOST_CHARACTERS],
    )


def _cell(text: str) -> str:
    return " ".join(text.split())[:_MOST_CELL_CHARACTERS]
