"""What a GGUF file says about itself, read without loading it and without trusting it.

A 128k-token vocabulary and its merges are some 400,000 strings. The gguf package's GGUFReader makes numpy
objects of each: 2.6 s for SmolLM2's 49k tokens, against 0.05 s here, where long arrays are only walked over.

Any model file may be hostile: every length is checked against the file's size before it is used, and the
part before the tensors may not exceed `data.gguf.cursor.MAX_HEADER_BYTES`, nor have more values than stand there.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import math
import stat
import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.gguf.cursor import MAX_KEPT_VALUES, Cursor, GGUFError
from data.gguf.types import BLOCK_SIZES

__all__ = ["ARRAY", "SCALARS", "STRING", "GGUFError", "GGUFHeader", "LongArray", "TensorInfo", "read_header"]

MAX_KEPT_ELEMENTS = 1024
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
_MISTAKEN = {
    b"vers": " (a pointer of Git LFS; `git lfs pull` gets the file)",
    b"<!DO": " (a web page; download the file itself)",
    b"<htm": " (a web page; download the file itself)",
}
"""What people have in its place, by its first bytes."""

_MAX_TENSORS = 65_536
_MAX_KEY_BYTES = 65_535
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 2**20


@dataclass(frozen=True, kw_only=True)
class LongArray:
    """Stands for an array that was walked over, not kept."""

    length: int


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """Where a tensor lies in its file.

    Attributes:
        dimensions: Columns first, as GGUF has them; numpy's shape is the reverse.
        kind: A key of `data.gguf.types.BLOCK_SIZES`.
        position: Of its first byte in the file.
    """

    name: str
    dimensions: tuple[int, ...]
    kind: int
    position: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class GGUFHeader:
    """Metadata of one GGUF and what it says of its tensors.

    Attributes:
        metadata: Scalars, strings and short arrays (as tuples) by key; longer arrays as `LongArray`.
        spans: First byte, and the one after the last, of each key with its value in the file.
        expected_file_size: Where the last tensor ends; a shorter file is refused.
        weights: The file that has them, where this one is an adapter that is applied to it (`data.gguf.adapted`).
    """

    version: int
    metadata: Mapping[str, Any]
    spans: Mapping[str, tuple[int, int]]
    tensors: tuple[TensorInfo, ...]
    expected_file_size: int
    file_size: int
    weights: Path | None = None

    @property
    def tensor_count(self) -> int:
        return len(self.tensors)

    @property
    def tensor_elements(self) -> int:
        """Weights in all tensors."""
        return sum(math.prod(tensor.dimensions) for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        """Size of all tensors in this file, padding not counted."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        return self.text("general.architecture")

    @property
    def name(self) -> str:
        return self.text("general.name")

    @property
    def chat_template(self) -> str | None:
        """Jinja source of the default chat template, or None."""
        return self.text("tokenizer.chat_template") or None

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

    def text(self, key: str) -> str:
        """The text under a key; empty where there is none."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else ""

    def _count(self, name: str, default: int | None = None) -> int | None:
        value = self.metadata.get(f"{self.architecture}.{name}", default)
        return value if isinstance(value, int) and 0 < value < 2**32 else None


def read_header(path: Path, keep: Collection[str] = (), *, whole_bytes: int | None = None) -> GGUFHeader:
    """Read a GGUF's metadata and check that its tensors fit the file.

    Args:
        keep: Keys whose arrays are kept as tuples however long they are.
        whole_bytes: Size of the file once it is whole, where its end is still to come.

    Raises:
        GGUFError: Not a GGUF, truncated, an unsupported version, or lengths that cannot be true.
        OSError: The file cannot be read.
    """
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # to open a named pipe would wait for ever
        raise GGUFError("not a file, but a folder or a device; a model is one file that ends in .gguf")
    size = status.st_size if whole_bytes is None else whole_bytes
    with path.open("rb") as file:
        reader = Cursor(file, size)
        if keep:
            reader.values_left = MAX_KEPT_VALUES
        version, tensor_count, pair_count = _read_preamble(reader)
        metadata, spans = {}, {}
        for _ in range(pair_count):
            start, key = reader.position, reader.text(_MAX_KEY_BYTES)
            metadata[key] = _read_value(reader, reader.number("<I"), keep_all=key in keep)
            spans[key] = (start, reader.position)
        described = [_read_tensor(reader) for _ in range(tensor_count)]
        data_start = _aligned(reader.position, metadata.get("general.alignment", 32))
    tensors = tuple(replace(tensor, position=data_start + tensor.position) for tensor in described)
    expected = max((tensor.position + tensor.size_bytes for tensor in tensors), default=data_start)
    if expected > size:
        raise GGUFError(
            f"truncated: its header promises {expected:,} bytes, the file has {size:,}; get it again, or wait until it "
            "is written"
        )
    return GGUFHeader(
        version=version,
        metadata=metadata,
        spans=spans,
        tensors=tensors,
        expected_file_size=expected,
        file_size=size,
    )


def _read_preamble(reader: Cursor) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    magic = reader.file.read(4)
    reader.file.seek(0)
    if magic != b"GGUF":
        raise GGUFError(f"not a GGUF file{_MISTAKEN.get(magic, '')}")
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
    reader.spend_values(pair_count)
    if tensor_count > _MAX_TENSORS:
        raise GGUFError(f"{tensor_count:,} tensors; no known model has more than {_MAX_TENSORS:,}")
    return version, tensor_count, pair_count


def _read_value(reader: Cursor, kind: int, *, keep_all: bool, depth: int = 0) -> Any:
    if layout := SCALARS.get(kind):
        return reader.number(layout)
    if kind == STRING:
        return reader.text()
    if kind != ARRAY or depth > 2:
        raise GGUFError(f"metadata of unknown type {kind} at offset {reader.position:,}")
    element, count = reader.number("<I"), reader.number("<Q")
    smallest = struct.calcsize(SCALARS[element]) if element in SCALARS else 8
    if count * smallest > reader.remaining:
        raise GGUFError(f"an array of {count:,} elements at offset {reader.position:,} does not fit the file")
    if keep_all or count <= MAX_KEPT_ELEMENTS:
        reader.spend_values(count)
        return tuple(_read_value(reader, element, keep_all=keep_all, depth=depth + 1) for _ in range(count))
    if element in SCALARS:
        reader.skip(count * smallest)
    elif element == STRING:
        reader.skip_texts(count)
    else:
        raise GGUFError(f"an array of {count:,} elements of type {element} at offset {reader.position:,}")
    return LongArray(length=count)


def _read_tensor(reader: Cursor) -> TensorInfo:
    """One tensor's description; its position is still relative to the start of the tensor data."""
    name = reader.text(_MAX_KEY_BYTES)
    count = reader.number("<I")
    if not 0 < count <= _MAX_DIMENSIONS:
        raise GGUFError(f"tensor {name[:64]!r} has {count} dimensions; 1 to {_MAX_DIMENSIONS} are possible")
    dimensions = tuple(reader.number("<Q") for _ in range(count))
    kind, offset = reader.number("<I"), reader.number("<Q")
    if kind not in BLOCK_SIZES:
        raise GGUFError(f"tensor {name[:64]!r} has type {kind}, which this version of llama.cpp does not know")
    block, block_bytes = BLOCK_SIZES[kind]
    size = -(-math.prod(dimensions) // block) * block_bytes
    return TensorInfo(name=name, dimensions=dimensions, kind=kind, position=offset, size_bytes=size)


def _aligned(position: int, alignment: object) -> int:
    if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
        raise GGUFError(f"general.alignment is {alignment!r}; it must be a power of two")
    return -(-position // alignment) * alignment
