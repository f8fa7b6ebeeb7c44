"""Turn the bytes of successive tokens into text that is safe to show, and see when it only repeats itself."""

import codecs
from collections.abc import Sequence

LOOK_EVERY = 16
"""Tokens between two looks for a loop."""

_LOOKED_AT = 4_000
_RULES = ((240, 8), (600, 4))


class ReplyText:
    """Text of one reply as it grows: incomplete UTF-8 and possible stop strings are held back.

    A character can span tokens, and a stop string can span them too. `push` returns only what is certain;
    once `stopped` is true, everything from the stop string on is dropped.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._stop = tuple(stop)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def push(self, piece: bytes) -> str:
        """Add a token's bytes; return the text that became certain."""
        return self._release(self._decoder.decode(piece), final=False)

    def finish(self) -> str:
        """Return what was still held back; half a character becomes U+FFFD."""
        return self._release(self._decoder.decode(b"", final=True), final=True)

    def _release(self, text: str, *, final: bool) -> str:
        if self.stopped:
            return ""
        self._held += text
        cut = min((self._held.find(stop) for stop in self._stop if stop in self._held), default=-1)
        if cut >= 0:
            self.stopped = True
            released, self._held = self._held[:cut], ""
            return released
        keep = 0 if final else max((_overlap(self._held, stop) for stop in self._stop), default=0)
        split = len(self._held) - keep
        released, self._held = self._held[:split], self._held[split:]
        return released


def _overlap(text: str, stop: str) -> int:
    """Length of the longest end of `text` with which `stop` begins."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def in_a_loop(text: str) -> bool:
    """Whether a text ends in one span that stands there exactly, again and again, with nothing between.

    At least 8 times over at least 240 characters, or 4 times over at least 600; only the last 4,000 are looked at. The
    rule ends no right answer of the project's committed runs (tests/benchmarks/engine/test_reply_text.py).
    """
    least = min(characters for characters, _ in _RULES)
    if len(text) < least:
        return False
    tail = text[: -_LOOKED_AT - 1 : -1]
    borders = [0] * len(
        tail
    )  # of each beginning of the reversed tail: its longest proper end that is its beginning too
    border = 0
    for place in range(1, len(tail)):
        while border and tail[place] != tail[border]:
            border = borders[border - 1]
        border += tail[place] == tail[border]
        borders[place] = border
        length = place + 1
        span = length - border
        if any(length >= characters and length >= times * span for characters, times in _RULES):
            return True
    return False
