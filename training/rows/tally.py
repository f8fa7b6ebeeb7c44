"""What became of a source's rows, and a word about it on the screen where many are lost."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from data.command import say
from training.config import TrainingError
from training.rows.conversations import Conversation, UnusableRow

DUPLICATE, OVERLAP, TOO_LONG = "duplicate", "overlap", "too long"
# Nothing is lost with these: another row says it, or a suite asks it.
_HARMLESS = (DUPLICATE, OVERLAP)
_WORTH_A_WARNING = 0.1
_SHOWN_CHARACTERS = 160
_MOST_COLUMNS = 20


@dataclass(kw_only=True)
class Tally:
    """Counts of rows; `dropped` and what was kept add up to `read`.

    Attributes:
        dropped: By reason.
        changed: Rows kept, by what was left out of them.
        unused: Columns that were not read, in order of appearance.
    """

    read: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    _first: dict[str, str] = field(default_factory=dict)

    def drop(self, place: str, row: Mapping[str, Any] | UnusableRow, error: UnusableRow) -> None:
        """Count a row that is dropped."""
        reason = error.reason
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        if reason not in self._first:
            shown = "" if isinstance(row, UnusableRow) else f": {_shown(row)}"
            self._first[reason] = f"{place}: {_on_one_line(str(error), 3 * _SHOWN_CHARACTERS)}{shown}"

    def keep(self, conversation: Conversation) -> None:
        """Note what of a kept row is not trained on."""
        for change in conversation.changes:
            self.changed[change] = self.changed.get(change, 0) + 1
        for column in map(_on_one_line, conversation.unused):
            if len(self.unused) < _MOST_COLUMNS and column not in self.unused:
                self.unused.append(column)

    @property
    def losses(self) -> str:
        """Such as "40 read, 3 too long, 1 duplicate"."""
        return f"{self.read:,} read, {in_words(self.dropped) or 'none dropped'}"

    def judge(self, where: str, most: float) -> None:
        """Say what was lost.

        Args:
            most: Highest share of rows that may be lost.

        Raises:
            TrainingError: More; names the reasons and shows a row.
        """
        lost = {reason: count for reason, count in self.dropped.items() if reason not in _HARMLESS}
        if sum(lost.values()) > most * self.read:
            example = self._first[max(lost, key=lost.__getitem__)]
            raise TrainingError(
                f"{where}: {sum(lost.values()):,} of {self.read:,} rows cannot be trained on: {in_words(lost)}; mend "
                f"them, or raise data.max_dropped; such as {example}"
            )
        if (dropped := sum(self.dropped.values())) > _WORTH_A_WARNING * self.read:
            example = self._first[max(self.dropped, key=self.dropped.__getitem__)]
            say(
                f"warning: {where}: {dropped:,} of {self.read:,} rows dropped: {in_words(self.dropped)}; "
                f"such as {example}"
            )
        if self.unused:
            say(f"{where}: columns not used: {', '.join(self.unused)}")


def in_words(counts: Mapping[str, int]) -> str:
    """Such as "3 too long, 1 duplicate", the most first."""
    ordered = sorted(counts.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered)


def _shown(row: Mapping[str, Any]) -> str:
    return _on_one_line(json.dumps(row, ensure_ascii=False, default=str))


def _on_one_line(text: str, most: int = _SHOWN_CHARACTERS) -> str:
    """The beginning of a text, without what a terminal would take for a command."""
    text = " ".join(text[: 2 * most].split())
    text = text[:most] + ("…" if len(text) > most else "")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
