"""Write a GGUF tensor by tensor: a new one, or a changed copy of another.

Metadata of a copied file stays as its bytes. The gguf package would make numpy objects of each of 400,000 tokens
and merges, flatten nested arrays and refuse empty ones. At most one block of a tensor is in memory, the same
input gives the same bytes, and the file appears under its name only when it is complete.
"""

import math
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from data.gguf.header import SCALARS, STRING, GGUFError, GGUFHeader, TensorInfo
from data.gguf.types import BLOCK_SIZES
from data.progress import FetchCancelled, IsCancelled, never_cancelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Values = npt.NDArray[np.float32]

F32, F16, BF16 = 0, 1, 30
_UINT32, _FLOAT32 = 4, 6
_CHUNK_BYTES = 4 * 2**20
_BLOCK_ELEMENTS = 2**20


@dataclass(frozen=True, kw_only=True)
class NewTensor:
    """A tensor to be written.

    Attributes:
        dimensions: Columns first, as GGUF has them; numpy's shape is the reverse.
        kind: A key of `data.gguf.types.BLOCK_SIZES`.
        content: Its bytes in pieces; called when the tensor's turn comes.
    """

    name: str
    dimensions: tuple[int, ...]
    kind: int
    content: Callable[[], Iterable[bytes]]

    @property
    def size_bytes(self) -> int:
        block, block_bytes = BLOCK_SIZES[self.kind]
        return math.prod(self.dimensions) // block * block_bytes


def write_gguf(
    out: Path,
    metadata: Mapping[str, bytes],
    tensors: Sequence[NewTensor],
    *,
    alignment: int = 32,
    on_share: Callable[[float], None] = lambda share: None,
    cancelled: IsCancelled = never_cancelled,
) -> None:
    """Write `out`; on failure nothing of it is left, and an older file of that name stays.

    Args:
        metadata: By key, the value with its type in front, as `text`, `uint32`, `float32` and `copied_metadata` make.
        on_share: Called with the share of the tensors' bytes that is written, 0 to 1.

    Raises:
        FetchCancelled: `cancelled()` became true.
    """
    temporary = out.with_name(f".{out.name}.tmp")
    total, done = sum(tensor.size_bytes for tensor in tensors), 0
    try:
        with temporary.open("wb") as file:
            file.write(_header(metadata, tensors, alignment))
            _pad(file, alignment)
            for tensor in tensors:
                start = file.tell()
                for piece in tensor.content():
                    if cancelled():
                        raise FetchCancelled
                    file.write(piece)
                    on_share((done + file.tell() - start) / total)
                if file.tell() - start != tensor.size_bytes:
                    raise GGUFError(f"tensor {tensor.name!r} came out with {file.tell() - start:,} bytes")
                done += tensor.size_bytes
                _pad(file, alignment)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def text(value: str) -> bytes:
    return struct.pack("<I", STRING) + _sized(value)


def uint32(value: int) -> bytes:
    return struct.pack("<II", _UINT32, value)


def float32(value: float) -> bytes:
    return struct.pack("<If", _FLOAT32, value)


def copied_metadata(source: Path, header: GGUFHeader) -> dict[str, bytes]:
    """All metadata of a file for `write_gguf`, byte for byte; change what must change by assignment."""
    with source.open("rb") as file:
        return {key: _value_bytes(file, *span) for key, span in header.spans.items()}


def picked(array: bytes, indexes: Iterable[int]) -> bytes:
    """A metadata array of numbers, reduced to some of its elements."""
    kind, element, _ = struct.unpack_from("<IIQ", array)
    size, start = struct.calcsize(SCALARS[element]), struct.calcsize("<IIQ")
    items = [array[start + index * size : start + (index + 1) * size] for index in indexes]
    return struct.pack("<IIQ", kind, element, len(items)) + b"".join(items)


def copied_tensor(source: Path, tensor: TensorInfo, name: str | None = None) -> NewTensor:
    """The same bytes, under another name where one is given."""
    return NewTensor(
        name=name or tensor.name,
        dimensions=tensor.dimensions,
        kind=tensor.kind,
        content=lambda: _pieces(source, tensor, _CHUNK_BYTES),
    )


def value_blocks(source: Path, tensor: TensorInfo) -> "Iterator[Values]":
    """A tensor's values as float32, a block of rows at a time, each of shape (rows, columns).

    Raises:
        GGUFError: Its type cannot be turned into float32, or its rows are no whole number of blocks.
    """
    import numpy as np
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    columns, (block, block_bytes) = tensor.dimensions[0], BLOCK_SIZES[tensor.kind]
    if columns % block:
        raise GGUFError(f"tensor {tensor.name!r} has rows of {columns} weights; its type needs multiples of {block}")
    row_bytes = columns // block * block_bytes
    for piece in _pieces(source, tensor, row_bytes * max(1, _BLOCK_ELEMENTS // max(1, columns))):
        rows = np.frombuffer(piece, np.uint8).reshape(-1, row_bytes)
        try:
            yield dequantize(rows, GGMLQuantizationType(tensor.kind))
        except (NotImplementedError, ValueError):
            raise GGUFError(f"tensor {tensor.name!r} has type {tensor.kind}, which cannot be dequantized") from None


def _pieces(source: Path, tensor: TensorInfo, size: int) -> Iterator[bytes]:
    with source.open("rb") as file:
        file.seek(tensor.position)
        left = tensor.size_bytes
        while left:
            piece = file.read(min(left, size))
            if not piece:
                raise GGUFError("truncated: the file became shorter while it was read")
            left -= len(piece)
            yield piece


def _header(metadata: Mapping[str, bytes], tensors: Sequence[NewTensor], alignment: int) -> bytes:
    parts = [b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    parts += [_sized(key) + value for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        count = len(tensor.dimensions)
        layout = struct.pack(f"<I{count}QIQ", count, *tensor.dimensions, tensor.kind, offset)
        parts.append(_sized(tensor.name) + layout)
        offset += -(-tensor.size_bytes // alignment) * alignment
    return b"".join(parts)


def _sized(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value_bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    (key_bytes,) = struct.unpack("<Q", file.read(8))
    file.seek(key_bytes, 1)
    return file.read(end - start - 8 - key_bytes)


def _pad(file: BinaryIO, alignment: int) -> None:
    file.write(bytes(-file.tell() % alignment))
