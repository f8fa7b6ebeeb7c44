"""Comparisons that somebody has shared: one JSON file each, shown as stored and never generated again.

Whoever has the link can read; whoever has the key, which only its author is given, can delete.
"""

import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from data.allowance import Allowance, Rate
from data.errors import TradeoffError
from data.files import write_atomically
from data.records import fits, read_json

MAX_BYTES = 500_000
MAX_SHARES = 5_000
MAX_PER_HOUR, KEPT_S = 300, 7 * 24 * 3600.0
"""Of all people together, so that nobody's new links push out others'; and how long each is safe from new ones."""
SCHEMA_VERSION = 1
_ID = re.compile(r"[A-Za-z0-9_-]{16}")


class ShareError(TradeoffError):
    """It cannot be stored, found or deleted; one line for the person."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What the author is given: the link's id, and the key that deletes it."""

    id: str
    key: str


class Shares:
    """The directory of shared comparisons; once it is full, the oldest makes room for a new one, if it is old."""

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._lock = threading.Lock()
        self._hourly = Allowance(Rate(per_s=MAX_PER_HOUR / 3600, burst=MAX_PER_HOUR), clock)

    def store(self, record: Mapping[str, Any]) -> Receipt:
        """Keep a comparison as it is.

        Raises:
            ShareError: Too large, too many within an hour, no room, or the disk does not take it.
        """
        receipt = Receipt(id=secrets.token_urlsafe(12), key=secrets.token_urlsafe(18))
        content = {
            "schema_version": SCHEMA_VERSION,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "key_sha256": _digest(receipt.key),
            **record,
        }
        text = json.dumps(content)
        if len(text.encode()) > MAX_BYTES:
            raise ShareError(f"the comparison is larger than {MAX_BYTES // 1000} kB; share a shorter one")
        try:
            with self._lock:
                self._make_room()
                if not self._hourly.take(""):
                    raise ShareError("very many comparisons were shared within an hour; try again in some minutes")
                write_atomically(self._path(receipt.id), text)
        except OSError as error:
            raise ShareError(f"cannot be stored ({error.strerror})") from None
        return receipt

    def load(self, share_id: str) -> dict[str, Any]:
        """A shared comparison.

        Raises:
            ShareError: No such link, or its file is not readable.
        """
        path = self._path(share_id)
        if not path.is_file():
            raise ShareError("nothing is shared under this link; it was deleted, or the link is not complete")
        try:
            content = read_json(path, ShareError)
        except ShareError:
            raise ShareError("the shared comparison cannot be read; its file is damaged") from None
        if content.get("schema_version") != SCHEMA_VERSION:
            raise ShareError("the shared comparison was stored by another version of Tradeoff")
        if not fits(content.get("created_at"), str) or not _are_turns(content.get("turns")):
            raise ShareError("the shared comparison cannot be shown; its file is damaged")
        return content

    def delete(self, share_id: str, key: str, *, operator: bool = False) -> None:
        """Remove a shared comparison.

        Raises:
            ShareError: No such link, or the key is not its author's.
        """
        if operator and self._path(share_id).is_file():  # also one that is damaged
            self._path(share_id).unlink(missing_ok=True)
            return
        content = self.load(share_id)
        if not hmac.compare_digest(_digest(key), str(content.get("key_sha256"))):
            raise ShareError("this key does not delete this comparison; only its author has the right one")
        self._path(share_id).unlink(missing_ok=True)

    def _make_room(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        files = list(self._directory.glob("*.json"))
        if len(files) >= MAX_SHARES:
            files.sort(key=lambda path: path.stat().st_mtime_ns)
            for path in files[: len(files) - MAX_SHARES + 1]:
                if time.time() - path.stat().st_mtime < KEPT_S:
                    raise ShareError(f"{MAX_SHARES:,} comparisons of this week are shared here; there is no room")
                path.unlink(missing_ok=True)

    def _path(self, share_id: str) -> Path:
        if not _ID.fullmatch(share_id):
            raise ShareError("nothing is shared under this link; it was deleted, or the link is not complete")
        return self._directory / f"{share_id}.json"


def _are_turns(value: object) -> bool:
    """Whether the Shared page can show them."""
    return fits(value, Sequence[Mapping[str, Any]]) and all(
        fits(turn.get("prompt"), str)
        and fits(turn.get("system"), str | None)
        and fits(turn.get("replies"), Sequence[Mapping[str, Any]])
        and all(_is_reply(reply) for reply in turn["replies"])
        for turn in cast("Sequence[Mapping[str, Any]]", value)
    )


def _is_reply(reply: Mapping[str, Any]) -> bool:
    needed = fits(reply.get("label"), str) and fits(reply.get("statistics"), str)
    return needed and all(fits(reply.get(key), str | None) for key in ("text", "error"))


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
