"""Little llama models for tests, written by the gguf package, so that ours is not checked by itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType as Kind

Matrix = npt.NDArray[np.floating[Any]]
Pairs = dict[str, tuple[Matrix, Matrix]]

COLUMNS, ROWS, VOCABULARY = 64, 96, 40
Q, GATE = "attn_q.weight", "ffn_gate.weight"


def write_model(
    path: Path, *, kind: Kind = Kind.F32, layers: int = 3, seed: int = 0, arch: str = "llama", alignment: int = 32
) -> Path:
    """A model with an embedding, and a norm and two matrices a layer; matrices are of `kind`."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, arch)
    if alignment != 32:
        writer.add_custom_alignment(alignment)
    writer.add_block_count(layers)
    writer.add_embedding_length(COLUMNS)
    writer.add_head_count(4)
    writer.add_head_count_kv([2] * (layers - 1) + [1])
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"token{index}" for index in range(VOCABULARY)])
    writer.add_file_type(0)
    writer.add_quantization_version(2)
    _add(writer, "token_embd.weight", rng.standard_normal((VOCABULARY, COLUMNS)), kind)
    for layer in range(layers):
        _add(writer, f"blk.{layer}.attn_norm.weight", rng.standard_normal(COLUMNS), Kind.F32)
        _add(writer, f"blk.{layer}.{Q}", rng.standard_normal((COLUMNS, COLUMNS)), kind)
        _add(writer, f"blk.{layer}.{GATE}", rng.standard_normal((ROWS, COLUMNS)), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, name: str, values: Matrix, kind: Kind) -> None:
    data = gguf.quants.quantize(values.astype(np.float32), kind)
    writer.add_tensor(name, data, raw_dtype=kind)


def adapter_pairs(*, layers: int = 3, rank: int = 4, seed: int = 1) -> Pairs:
    """Factors for both matrices of each layer of `write_model`, in F16."""
    rng = np.random.default_rng(seed)
    return {
        f"blk.{layer}.{name}": (
            rng.standard_normal((rank, COLUMNS)).astype(np.float16),
            rng.standard_normal((rows, rank)).astype(np.float16),
        )
        for layer in range(layers)
        for name, rows in ((Q, COLUMNS), (GATE, ROWS))
    }


def tensors(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def values(path: Path) -> Mapping[str, Matrix]:
    """All tensors as float64."""
    return {
        name: gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        for name, tensor in tensors(path).items()
    }
