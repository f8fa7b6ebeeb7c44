"""What happens, as one JSON object a line on stderr, and counted: ids, numbers, names of ours, no visitor's text.

{"at": "2026-11-28T10:00:00Z", "event": "comparison.ended", "request": "5f0c9a31", "seconds": 2.1}
"""

import json
import logging
import sys
import threading
from collections import Counter
from datetime import UTC, datetime

Fact = str | float | int | None | list[str]
MOST_CHARACTERS = 200
_LOG = logging.getLogger("tradeoff")
_lock = threading.Lock()
_counts: Counter[str] = Counter()


def count(event: str) -> None:
    """One more of what is too frequent to be logged."""
    with _lock:
        _counts[event] += 1


def note(event: str, *, times: int = 1, **facts: Fact) -> None:
    """Count an event, and log it; of a long text of ours only the beginning."""
    with _lock:
        _counts[event] += times
    _LOG.info(event, extra={"facts": facts})


def counts() -> dict[str, int]:
    """Of every event since the process began."""
    with _lock:
        return dict(_counts)


class JsonLines(logging.Formatter):
    """An event with its facts; any other record with its message alone, since a traceback may hold anything."""

    def format(self, record: logging.LogRecord) -> str:
        facts = {name: _short(value) for name, value in getattr(record, "facts", {}).items()}
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return json.dumps({"at": at, "event": record.getMessage()[:MOST_CHARACTERS], **facts})


def to_stderr() -> None:
    """Log from now on; done once."""
    if not _LOG.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonLines())
        _LOG.addHandler(handler)
        _LOG.setLevel(logging.INFO)
        _LOG.propagate = False


def _short(value: Fact) -> Fact:
    if isinstance(value, str):
        return value[:MOST_CHARACTERS]
    return round(value, 3) if isinstance(value, float) else value
