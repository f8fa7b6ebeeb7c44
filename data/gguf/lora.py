"""LoRA adapters as llama.cpp's own GGUF files, and merging one into a model without torch.

An adapter holds two small matrices for each adapted tensor W of the base, and stands for W + alpha / rank * B @ A.
Names are those of GGUF (`blk.0.attn_q.weight`), and so is the order of rows: llama's q and k rows are permuted there,
in the adapter as in the model, so that merging is the same sum for every architecture. Biases and norms are copied.

Format: llama.cpp, src/llama-adapter.cpp and convert_lora_to_gguf.py.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import ModelError
from data.gguf import write
from data.gguf.header import GGUFError, GGUFHeader, TensorInfo, read_header
from data.gguf.types import DECODERS
from data.gguf.write import BF16, F16, F32, NewTensor, copied_metadata, copied_tensor, value_blocks, write_gguf
from data.progress import IsCancelled, never_cancelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.floating[Any]]

_A, _B = ".lora_a", ".lora_b"
_F16_MAX = 65_504
_MAX_NAME_BYTES = 63  # GGML_MAX_NAME less its zero
_F16_FILE_TYPE = 1  # llama.h's LLAMA_FTYPE_MOSTLY_F16


class AdapterError(ModelError):
    """An adapter is broken or does not fit; the message is one line."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """A LoRA adapter.

    Attributes:
        tensors: A of shape (rank, columns) and B of shape (rows, rank) by the name of the tensor that they change.
        architecture: Of the model that it belongs to, one of `DECODERS`.
        name, base: What its file says it is, and of which model.
    """

    rank: int
    alpha: float
    tensors: "Mapping[str, tuple[Matrix, Matrix]]"
    architecture: str
    name: str = ""
    base: str = ""

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


def write_adapter(
    path: Path,
    tensors: "Mapping[str, tuple[Matrix, Matrix]]",
    *,
    alpha: float,
    name: str,
    base: str,
    architecture: str,
) -> None:
    """Write an adapter in F16; the same input gives the same bytes.

    Args:
        tensors: As in `Adapter`, by GGUF's names.
        base: Of the model that it was trained on, for people.

    Raises:
        AdapterError: Shapes that do not belong together, or a value that F16 cannot hold.
    """
    _check(path, alpha, tensors)
    halves = {
        stem + suffix: _half(f"{path}: {stem}{suffix}", matrix)
        for stem, pair in tensors.items()
        for suffix, matrix in zip((_A, _B), pair)
    }
    metadata = {
        "general.architecture": write.text(architecture),
        "general.type": write.text("adapter"),
        "general.name": write.text(name),
        "general.base_model.count": write.uint32(1),
        "general.base_model.0.name": write.text(base),
        "general.file_type": write.uint32(_F16_FILE_TYPE),
        "adapter.type": write.text("lora"),
        "adapter.lora.alpha": write.float32(alpha),
    }
    write_gguf(path, metadata, [_new(name, half) for name, half in halves.items()])


def read_adapter(path: Path) -> Adapter:
    """Read and check an adapter; its matrices are small, so all are kept.

    Raises:
        AdapterError: Not readable, not a LoRA adapter, for an architecture that is not known, or its matrices do not
            belong together.
    """
    header = _read_header(path)
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        if (found := header.metadata.get(key)) != expected:
            raise AdapterError(f"{path}: not a LoRA adapter: {key} is {found!r}, not {expected!r}")
    _check_known(path, header)
    alpha = header.metadata.get("adapter.lora.alpha")
    infos = {tensor.name: tensor for tensor in header.tensors}
    tensors = {stem: (_matrix(path, infos[stem + _A]), _matrix(path, infos[stem + _B])) for stem in _stems(path, infos)}
    return Adapter(
        rank=_check(path, alpha, tensors),
        alpha=float(alpha or 0),
        tensors=tensors,
        architecture=header.architecture,
        name=header.name,
        base=str(header.metadata.get("general.base_model.0.name", "")),
    )


def merge_adapter(
    base: Path,
    adapter: Path,
    out: Path,
    *,
    on_share: Callable[[float], None] = lambda share: None,
    cancelled: IsCancelled = never_cancelled,
) -> None:
    """Write `base` with the adapter merged in: matrices as F16, vectors as F32, metadata as it was.

    The result does not depend on the CPU, so it can be pinned. An adapter's F16 values are multiples of 2^-24, their
    products of 2^-48: float64 adds those exactly up to 32, in any order, which float32 would not.

    Args:
        on_share: Called with the share of the tensors that is written, 0 to 1.

    Raises:
        AdapterError: The adapter is broken or belongs to another base, or a merged value does not fit F16.
        FetchCancelled: `cancelled()` became true; nothing is left of `out`.
    """
    header, lora = _read_header(base), read_adapter(adapter)
    _check_known(base, header)
    if header.architecture != lora.architecture:
        raise AdapterError(f"{adapter}: is for {lora.architecture}; {base.name} is a {header.architecture}")
    check_fit(adapter, lora, header)
    # quantization_version stays, as llama.cpp's own converter writes it into F16 files too.
    metadata = copied_metadata(base, header) | {"general.file_type": write.uint32(_F16_FILE_TYPE)}
    alignment = header.metadata.get("general.alignment", 32)
    merged = [_merged(base, tensor, lora) for tensor in header.tensors]
    try:
        write_gguf(out, metadata, merged, alignment=alignment, on_share=on_share, cancelled=cancelled)
    except GGUFError as error:
        raise AdapterError(f"{base}: {error}") from None


def _merged(base: Path, tensor: TensorInfo, lora: Adapter) -> NewTensor:
    kind = F32 if len(tensor.dimensions) == 1 else F16
    pair = lora.tensors.get(tensor.name)
    if pair is None and tensor.kind == kind:
        return copied_tensor(base, tensor)
    return NewTensor(
        name=tensor.name,
        dimensions=tensor.dimensions,
        kind=kind,
        content=lambda: _merged_blocks(base, tensor, kind, pair, lora.scale),
    )


def _merged_blocks(
    base: Path, tensor: TensorInfo, kind: int, pair: "tuple[Matrix, Matrix] | None", scale: float
) -> Iterator[bytes]:
    import numpy as np

    row = 0
    if pair is not None:
        a, b = (matrix.astype(np.float64) for matrix in pair)
    for block in value_blocks(base, tensor):
        values: Matrix = block
        if pair is not None:
            values = block + scale * (b[row : row + len(block)] @ a)
        row += len(block)
        yield values.tobytes() if kind == F32 else _half(f"{base}: {tensor.name}", values).tobytes()


def _check(path: Path, alpha: object, tensors: "Mapping[str, tuple[Matrix, Matrix]]") -> int:
    """The rank of an adapter that is sound."""
    import numpy as np

    # llama.cpp takes an alpha of 0 for a scale of 1, others for 0: refuse what means two things.
    if not isinstance(alpha, int | float) or not math.isfinite(alpha) or alpha <= 0:
        raise AdapterError(f"{path}: adapter.lora.alpha is {alpha!r}; it must be a positive number")
    if not tensors:
        raise AdapterError(f"{path}: the adapter changes no tensor")
    ranks: dict[int, str] = {}
    for name, (a, b) in tensors.items():
        if name == "token_embd.weight":
            raise AdapterError(f"{path}: changes {name}, which cannot be merged; train without the embedding")
        if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or 0 in (*a.shape, *b.shape):
            raise AdapterError(
                f"{path}: {name}: lora_a is {a.shape}, lora_b {b.shape}; they must be (rank, columns) and (rows, rank)"
            )
        if len(name.encode()) + len(_A) > _MAX_NAME_BYTES:
            raise AdapterError(f"{path}: {name}: longer than llama.cpp's {_MAX_NAME_BYTES} bytes with {_A}")
        if not (np.isfinite(a).all() and np.isfinite(b).all()):
            raise AdapterError(f"{path}: {name} has values that are not finite; the training diverged")
        ranks.setdefault(a.shape[0], name)
    if len(ranks) > 1:
        found = ", ".join(f"{rank} in {name}" for rank, name in ranks.items())
        raise AdapterError(f"{path}: ranks differ: {found}; one alpha scales all, so they must be equal")
    return next(iter(ranks))


def _check_known(path: Path, header: GGUFHeader) -> None:
    if header.architecture not in DECODERS:
        known = ", ".join(DECODERS)
        raise AdapterError(f"{path}: architecture {header.architecture!r} cannot be merged; known: {known}")


def check_fit(path: Path, lora: Adapter, base: GGUFHeader) -> None:
    """Refuse an adapter whose tensors are not the base's.

    Raises:
        AdapterError: A tensor that the base lacks, or has in another shape.
    """
    shapes = {tensor.name: tensor.dimensions[::-1] for tensor in base.tensors}
    for name, (a, b) in lora.tensors.items():
        if name not in shapes:
            raise AdapterError(f"{path}: the base has no tensor {name!r}; the adapter is of another model")
        if shapes[name] != (expected := (b.shape[0], a.shape[1])):
            raise AdapterError(
                f"{path}: {name} is {shapes[name]} in the base, {expected} in the adapter, which is of another model"
            )


def _stems(path: Path, names: Mapping[str, object]) -> list[str]:
    for name in names:
        stem, suffix = name[: -len(_A)], name[-len(_A) :]
        if suffix not in (_A, _B):
            raise AdapterError(f"{path}: tensor {name!r} is neither a lora_a nor a lora_b")
        if (partner := stem + (_B if suffix == _A else _A)) not in names:
            raise AdapterError(f"{path}: {name} is there without {partner}")
    return [name.removesuffix(_A) for name in names if name.endswith(_A)]


def _matrix(path: Path, tensor: TensorInfo) -> "Matrix":
    import numpy as np

    if tensor.kind not in (F32, F16, BF16) or not tensor.size_bytes:
        raise AdapterError(f"{path}: {tensor.name} is empty or of type {tensor.kind}, not F32, F16 or BF16")
    try:
        values = np.concatenate(list(value_blocks(path, tensor)))
    except GGUFError as error:
        raise AdapterError(f"{path}: {error}") from None
    return values.reshape(tensor.dimensions[::-1])


def _half(where: str, values: "Matrix") -> "npt.NDArray[np.float16]":
    import numpy as np

    with np.errstate(over="ignore"):  # said below, with the tensor's name
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        worst = np.abs(values).max()
        raise AdapterError(f"{where} has a value of {worst:.6g}; F16 ends at {_F16_MAX:,}")
    return half


def _new(name: str, half: "npt.NDArray[np.float16]") -> NewTensor:
    return NewTensor(name=name, dimensions=half.shape[::-1], kind=F16, content=lambda: [half.tobytes()])


def _read_header(path: Path) -> GGUFHeader:
    try:
        return read_header(path)
    except (GGUFError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise AdapterError(f"{path}: {reason}") from None
