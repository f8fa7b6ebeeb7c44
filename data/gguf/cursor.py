"""A cursor over the part of a GGUF file before its tensors, which may be hostile."""

import struct
from typing import Any, BinaryIO

from data.errors import TradeoffError

MAX_HEADER_BYTES = 128 * 2**20
MAX_VALUES, MAX_TEXTS = 200_000, 4_000_000
"""Values read one by one, and texts stepped over: each takes its microsecond. The largest vocabularies known have
262,144 tokens and about twice as many merges, which are stepped over."""
MAX_KEPT_VALUES = 4_000_000
"""For who asks to keep a vocabulary."""


class GGUFError(TradeoffError):
    """The file is not a GGUF that can be read; the message is one line without the path."""


class Cursor:
    """Reads the start of a file, ahead in growing pieces and never past its end.

    Bytes are copied rather than mapped: a mapped file that another process shortens is a SIGBUS.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.buffer = b""
        self.position = 0
        self.values_left, self.texts_left = MAX_VALUES, MAX_TEXTS

    @property
    def remaining(self) -> int:
        return self.size - self.position

    def need(self, count: int) -> None:
        """Make `count` more bytes available at the cursor."""
        if self.position + count <= len(self.buffer):
            return
        if count > self.remaining:
            raise GGUFError(f"truncated: its header needs more than the file's {self.size:,} bytes")
        if self.position + count > MAX_HEADER_BYTES:
            raise GGUFError(f"its header is larger than {MAX_HEADER_BYTES:,} bytes; no known model needs that")
        target = min(max(self.position + count, 2 * len(self.buffer), 2**20), self.size, MAX_HEADER_BYTES)
        self.buffer += self.file.read(target - len(self.buffer))
        if self.position + count > len(self.buffer):
            raise GGUFError("truncated: the file became shorter while it was read")

    def spend_values(self, count: int) -> None:
        """Take so many of the values that a header may have."""
        self.values_left -= count
        if self.values_left < 0:
            raise GGUFError(f"its header has more than {MAX_VALUES:,} values; no known model needs that")

    def number(self, layout: str) -> Any:
        count = struct.calcsize(layout)
        self.need(count)
        (value,) = struct.unpack_from(layout, self.buffer, self.position)
        self.position += count
        return value

    def skip(self, count: int) -> None:
        self.need(count)
        self.position += count

    def text(self, limit: int | None = None) -> str:
        length = self.number("<Q")
        if limit is not None and length > limit:
            raise GGUFError(f"a name of {length:,} bytes at offset {self.position:,} cannot be true")
        start = self.position
        self.skip(length)
        return self.buffer[start : self.position].decode("utf-8", errors="replace")

    def skip_texts(self, count: int) -> None:
        """Step over `count` strings: the loop that decides how long a header takes."""
        self.texts_left -= count
        if self.texts_left < 0:
            raise GGUFError(f"its header has more than {MAX_TEXTS:,} texts; no known model needs that")
        unpack, limit, position, buffer = struct.Struct("<Q").unpack_from, self.remaining, self.position, self.buffer
        for _ in range(count):
            if position + 8 > len(buffer):
                self.position = position
                self.need(8)
                buffer = self.buffer
            length = unpack(buffer, position)[0]
            if length > limit:
                raise GGUFError(f"a string of {length:,} bytes at offset {position:,} does not fit the file")
            position += 8 + length
        if position > self.size:
            raise GGUFError(f"truncated: its header needs more than the file's {self.size:,} bytes")
        self.position = position
