"""Remove transformer layers from a GGUF: the tensors that stay keep their bytes, whatever their type.

The result is faster and, until it is healed by training, worse. Gromov et al. 2024, arXiv:2403.17887.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from data.errors import ModelError
from data.gguf import write
from data.gguf.header import GGUFError, GGUFHeader, TensorInfo, read_header
from data.gguf.types import DECODERS
from data.gguf.write import NewTensor, copied_metadata, copied_tensor, picked, write_gguf
from data.progress import IsCancelled, never_cancelled

_BLOCK = re.compile(r"blk\.(\d+)\.(.+)")


def drop_layers(
    source: Path,
    out: Path,
    layers: Sequence[int],
    *,
    on_share: Callable[[float], None] = lambda share: None,
    cancelled: IsCancelled = never_cancelled,
) -> None:
    """Write `source` without these layers, numbered from 0; the others move up.

    Args:
        on_share: Called with the share of the tensors that is written, 0 to 1.

    Raises:
        ModelError: No such layer, one named twice, none left, or a model whose layers are not alike.
        FetchCancelled: `cancelled()` became true; nothing is left of `out`.
    """
    try:
        header = read_header(source)
    except (GGUFError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{source}: {reason}") from None
    kept = _kept(source, header, layers)
    alignment = header.metadata.get("general.alignment", 32)
    try:
        write_gguf(
            out,
            _metadata(source, header, kept),
            _tensors(source, header.tensors, {old: new for new, old in enumerate(kept)}),
            alignment=alignment,
            on_share=on_share,
            cancelled=cancelled,
        )
    except GGUFError as error:
        raise ModelError(f"{source}: {error}") from None


def _kept(source: Path, header: GGUFHeader, layers: Sequence[int]) -> list[int]:
    """Numbers of the layers that stay."""
    count = min(header.block_count or 0, header.tensor_count)  # a hostile file may promise billions
    if header.architecture not in DECODERS:
        known = ", ".join(DECODERS)
        raise ModelError(f"{source}: cannot drop layers of architecture {header.architecture!r}; known: {known}")
    if not layers:
        raise ModelError(f"{source}: no layers to drop were named")
    for layer in layers:
        if not 0 <= layer < count:
            raise ModelError(f"{source}: no layer {layer} to drop; it has {count}, numbered from 0")
        if list(layers).count(layer) > 1:
            raise ModelError(f"{source}: layer {layer} is to be dropped twice")
    if len(layers) == count:
        raise ModelError(f"{source}: all {count} layers are to be dropped; at least one must stay")
    return [layer for layer in range(count) if layer not in layers]


def _metadata(source: Path, header: GGUFHeader, kept: Sequence[int]) -> dict[str, bytes]:
    """As it was, with the number of layers changed and what is listed for each layer reduced to those kept."""
    metadata = copied_metadata(source, header)
    for key, value in header.metadata.items():
        of_numbers = isinstance(value, tuple) and all(isinstance(item, int | float) for item in value)
        if key.startswith(f"{header.architecture}.") and of_numbers and len(value) == header.block_count:
            metadata[key] = picked(metadata[key], kept)
    metadata[f"{header.architecture}.block_count"] = write.uint32(len(kept))
    return metadata


def _tensors(source: Path, tensors: Sequence[TensorInfo], numbers: Mapping[int, int]) -> list[NewTensor]:
    """Copies of the tensors that stay, renumbered, in their order."""
    copies = []
    for tensor in tensors:
        found = _BLOCK.fullmatch(tensor.name)
        if found is None:
            copies.append(copied_tensor(source, tensor))
        elif (layer := int(found[1])) in numbers:
            copies.append(copied_tensor(source, tensor, f"blk.{numbers[layer]}.{found[2]}"))
    return copies
