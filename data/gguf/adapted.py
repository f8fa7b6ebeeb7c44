"""A LoRA adapter that stays a file of its own, which llama.cpp applies to its base as it runs.

One base then serves many fine-tunes, on the disk and in memory, and nothing is quantized twice. The file is the
adapter's, with the base's sha256 in its metadata and the scale in its alpha: its own sha256 stands for all three. A
link beside it says where the base is.
"""

from dataclasses import replace
from pathlib import Path

from data.gguf import write
from data.gguf.header import GGUFError, GGUFHeader, read_header
from data.gguf.lora import AdapterError, check_fit, read_adapter
from data.gguf.write import copied_metadata, copied_tensor, write_gguf

BASE_SHA256 = "tradeoff.base.sha256"
_DIGITS = 12


def write_adapted(adapter: Path, base: Path, out: Path, *, base_sha256: str, scale: float = 1.0) -> None:
    """Write the adapter with what it belongs to; the same input gives the same bytes.

    Args:
        scale: Of what the adapter adds; 1 is as it was trained.

    Raises:
        AdapterError: The adapter is broken, or of another base.
    """
    lora = read_adapter(adapter)
    header, of_base = read_header(adapter), read_header(base)
    if header.architecture != of_base.architecture:
        raise AdapterError(f"{adapter}: is for {header.architecture}; {base.name} is a {of_base.architecture}")
    check_fit(adapter, lora, of_base)
    metadata = copied_metadata(adapter, header) | {
        BASE_SHA256: write.text(base_sha256),
        "adapter.lora.alpha": write.float32(lora.alpha * scale),
    }
    write_gguf(out, metadata, [copied_tensor(adapter, tensor) for tensor in header.tensors])


def base_of(path: Path, header: GGUFHeader) -> Path | None:
    """Where the weights are to which the file belongs; None for a file that has its own.

    Raises:
        GGUFError: They are not here.
    """
    sha256 = header.metadata.get(BASE_SHA256)
    if header.metadata.get("general.type") != "adapter" or not isinstance(sha256, str):
        return None
    link = _link(path.parent, sha256)
    if link.is_file() and BASE_SHA256 not in read_header(link.resolve()).metadata:
        return link.resolve()
    raise GGUFError(
        f"an adapter of {header.text('general.base_model.0.name') or 'another model'}, whose own file (sha256 "
        f"{sha256[:_DIGITS]}…) is not here any more; fetch this model again"
    )


def link_base(directory: Path, base: Path, sha256: str) -> None:
    """Say to the adapters in a directory where their base is."""
    if not is_linked(directory, base, sha256):
        _link(directory, sha256).unlink(missing_ok=True)
        _link(directory, sha256).symlink_to(base.resolve())


def is_linked(directory: Path, base: Path, sha256: str) -> bool:
    """Whether the adapters there find this file."""
    link = _link(directory, sha256)
    return link.is_file() and link.resolve() == base.resolve()


def _link(directory: Path, sha256: str) -> Path:
    return directory / f"weights-{sha256[:_DIGITS]}"


def with_weights(header: GGUFHeader, weights: Path, base: GGUFHeader) -> GGUFHeader:
    """The header of the model that both make: the base's, which says where its weights are."""
    return replace(
        base,
        metadata={**base.metadata, BASE_SHA256: header.metadata[BASE_SHA256]},
        file_size=base.file_size + header.file_size,
        expected_file_size=base.expected_file_size + header.expected_file_size,
        weights=weights,
    )
