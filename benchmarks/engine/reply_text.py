"""Turn the bytes of successive tokens into text that is safe to show."""

import codecs
from collections.abc import Sequence


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
