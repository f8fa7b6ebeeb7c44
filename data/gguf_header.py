"""What a GGUF file says about itself, read without loading it and without trusting it.

A 128k-token vocabulary and its merges are some 400,000 strings. The gguf package's GGUFReader makes numpy
objects of each: 2.6 s for SmolLM2's 49k tokens, against 0.05 s here, where long arrays are only walked over.

Any model file may be hostile: every length is checked against the file's size before it is used, and the
part before the tensors may not exceed `MAX_HEADER_BYTES`.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from data.ggml_types import BLOCK_SIZES

MAX_HEADER_BYTES = 128 * 2**20
MAX_KEPT_ELEMENTS = 1024
_MAX_KEY_BYTES = 65_535
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 2**20
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_STRING, _ARRAY = 8, 9


class GGUFError(ValueError):
    """The file is not a GGUF that can be read; the message is one line without the path."""


@dataclass(frozen=True, kw_only=True)
class LongArray:
    """Stands for an array that was walked over, not kept."""

    length: int


@dataclass(frozen=True, kw_only=True)
class GGUFHeader:
    """Metadata of one GGUF and the sums over its tensors.

    Attributes:
        metadata: Scalars, strings and short arrays (as tuples) by key; longer arrays as `LongArray`.
        tensor_elements: Weights in all tensors.
        tensor_bytes: Their size in this file, padding not counted.
        expected_file_size: Where the last tensor ends; a shorter file is refused.
    """

    version: int
    metadata: Mapping[str, Any]
    tensor_count: int
    tensor_elements: int
    tensor_bytes: int
    expected_file_size: int
    file_size: int

    @property
    def architecture(self) -> str:
        return self._text("general.architecture")

    @property
    def name(self) -> str:
        return self._text("general.name")

    @property
    def chat_template(self) -> str | None:
        """Jinja source of the default chat template, or None."""
        return self._text("tokenizer.chat_template") or None

    @property
    def context_length(self) -> int | None:
        """Longest context of the training, in tokens."""
        return self._count("context_length")

    @property
    def block_count(self) -> int | None:
        return self._count("block_count")

    @property
    def vocabulary_size(self) -> int | None:
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        if isinstance(tokens, LongArray):
            return tokens.length
        return len(tokens) if isinstance(tokens, tuple) else self._count("vocab_size")

    @property
    def kv_bytes_per_token(self) -> int | None:
        """Bytes of f16 keys and values per token over all layers; None where the metadata does not tell.

        An upper bound for models whose layers look at a sliding window only.
        """
        blocks, heads = self.block_count, self._count("attention.head_count")
        if blocks is None or blocks > 10_000:
            return None
        per_layer = self.metadata.get(f"{self.architecture}.attention.head_count_kv", heads)
        kv_heads = per_layer if isinstance(per_layer, tuple) else (per_layer,) * blocks
        embedding = self._count("embedding_length")
        default = embedding // heads if embedding and heads else None
        key, value = self._count("attention.key_length", default), self._count("attention.value_length", default)
        if len(kv_heads) != blocks or key is None or value is None:
            return None
        if not all(isinstance(count, int) and 0 <= count <= 65_536 for count in kv_heads):
            return None
        return 2 * sum(kv_heads) * (key + value)

    def _text(self, key: str) -> str:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def _count(self, name: str, default: int | None = None) -> int | None:
        value = self.metadata.get(f"{self.architecture}.{name}", default)
        return value if isinstance(value, int) and 0 < value < 2**32 else None


def read_header(path: Path, keep: Collection[str] = ()) -> GGUFHeader:
    """Read a GGUF's metadata and check that its tensors fit the file.

    Args:
        keep: Keys whose arrays are kept as tuples however long they are.

    Raises:
        GGUFError: Not a GGUF, truncated, an unsupported version, or lengths that cannot be true.
        OSError: The file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        reader = _Reader(file, size)
        version, tensor_count, pair_count = _read_preamble(reader)
        metadata = {}
        for _ in range(pair_count):
            key = reader.text(_MAX_KEY_BYTES)
            metadata[key] = _read_value(reader, reader.number("<I"), keep_all=key in keep)
        elements, total, end = _read_tensors(reader, tensor_count)
        data_start = _aligned(reader.position, metadata.get("general.alignment", 32))
    expected = data_start + end
    if expected > size:
        raise GGUFError(f"truncated: its header promises {expected:,} bytes, the file has {size:,}")
    return GGUFHeader(
        version=version,
        metadata=metadata,
        tensor_count=tensor_count,
        tensor_elements=elements,
        tensor_bytes=total,
        expected_file_size=expected,
        file_size=size,
    )


class _Reader:
    """A cursor over the start of a file that reads ahead in growing pieces and never past its end.

    Bytes are copied rather than mapped: a mapped file that another process shortens is a SIGBUS.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.buffer = b""
        self.position = 0

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


def _read_preamble(reader: _Reader) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    magic = reader.file.read(4)
    reader.file.seek(0)
    if magic != b"GGUF":
        raise GGUFError(f"not a GGUF file: it starts with {magic!r}, not b'GGUF'")
    reader.skip(4)
    version = reader.number("<I")
    if version not in (2, 3):
        if version.to_bytes(4, "little")[:2] == b"\0\0" and version:
            raise GGUFError("a big-endian GGUF; only little-endian files run on this CPU")
        raise GGUFError(f"GGUF version {version} is not supported; versions 2 and 3 are")
    tensor_count, pair_count = reader.number("<Q"), reader.number("<Q")
    # A pair takes at least 13 bytes, a tensor's description at least 24.
    if pair_count * 13 + tensor_count * 24 > reader.remaining:
        raise GGUFError(f"{tensor_count:,} tensors and {pair_count:,} metadata pairs do not fit {reader.size:,} bytes")
    return version, tensor_count, pair_count


def _read_value(reader: _Reader, kind: int, *, keep_all: bool, depth: int = 0) -> Any:
    if layout := _SCALARS.get(kind):
        return reader.number(layout)
    if kind == _STRING:
        return reader.text()
    if kind != _ARRAY or depth > 2:
        raise GGUFError(f"metadata of unknown type {kind} at offset {reader.position:,}")
    element, count = reader.number("<I"), reader.number("<Q")
    smallest = struct.calcsize(_SCALARS[element]) if element in _SCALARS else 8
    if count * smallest > reader.remaining:
        raise GGUFError(f"an array of {count:,} elements at offset {reader.position:,} does not fit the file")
    if keep_all or count <= MAX_KEPT_ELEMENTS:
        return tuple(_read_value(reader, element, keep_all=keep_all, depth=depth + 1) for _ in range(count))
    if element in _SCALARS:
        reader.skip(count * smallest)
    elif element == _STRING:
        reader.skip_texts(count)
    else:
        raise GGUFError(f"an array of {count:,} elements of type {element} at offset {reader.position:,}")
    return LongArray(length=count)


def _read_tensors(reader: _Reader, count: int) -> tuple[int, int, int]:
    """Weights, bytes, and the end of the last tensor relative to the start of the tensor data."""
    elements = total = end = 0
    for _ in range(count):
        name = reader.text(_MAX_KEY_BYTES)
        dimensions = reader.number("<I")
        if not 0 < dimensions <= _MAX_DIMENSIONS:
            raise GGUFError(f"tensor {name[:64]!r} has {dimensions} dimensions; 1 to {_MAX_DIMENSIONS} are possible")
        weights = math.prod(reader.number("<Q") for _ in range(dimensions))
        kind, offset = reader.number("<I"), reader.number("<Q")
        if kind not in BLOCK_SIZES:
            raise GGUFError(f"tensor {name[:64]!r} has type {kind}, which this version of llama.cpp does not know")
        block, block_bytes = BLOCK_SIZES[kind]
        size = -(-weights // block) * block_bytes
        elements, total, end = elements + weights, total + size, max(end, offset + size)
    return elements, total, end


def _aligned(position: int, alignment: object) -> int:
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        raise GGUFError(f"general.alignment is {alignment!r}; it must be a power of two")
    return -(-position // alignment) * alignment
