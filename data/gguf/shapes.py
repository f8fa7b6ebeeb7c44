"""GGUF files of a Llama's exact tensor shapes, with random weights from a seed; the same seed gives the same bytes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.files import require_space
from data.gguf.header import GGUFError, read_header
from data.gguf.quantize import quantize_in_child
from data.gguf.rope import llama3_rope_factors
from data.gguf.types import QUANTIZATIONS
from data.progress import never_cancelled

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_TOKENIZER_KEYS = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges")
_ROWS_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Dimensions of a Llama model.

    Attributes:
        vocabulary: Tokens; None takes the tokenizer's own number.
        rope_factors: Whether the file carries Llama 3's long-context frequencies, as the originals do.
    """

    hidden: int
    feed_forward: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    context_tokens: int = 131_072
    vocabulary: int | None = 128_256
    rope_factors: bool = True


SHAPES = {
    "1b": Shape(hidden=2048, feed_forward=8192, layers=16, heads=32, kv_heads=8, head_dim=64),
    "3b": Shape(hidden=3072, feed_forward=8192, layers=28, heads=24, kv_heads=8, head_dim=128),
    "tiny": Shape(
        hidden=256,
        feed_forward=512,
        layers=2,
        heads=4,
        kv_heads=2,
        head_dim=64,
        context_tokens=8192,
        vocabulary=None,
        rope_factors=False,
    ),
}


def write_shape(
    shape: Shape,
    out: Path,
    tokenizer: Path,
    *,
    name: str,
    quantization: str = "q4_k_m",
    seed: int = 0,
    on_progress: Callable[[str, float], None] = lambda stage, share: None,
) -> None:
    """Write `out`: random F16 weights first, then quantized; nothing partial is left behind.

    Args:
        tokenizer: Any llama GGUF with a gpt2 tokenizer.
        on_progress: Called with a stage ("weights", "quantize") and the share that is done.

    Raises:
        ModelError: Disk too small, or quantizing failed.
        GGUFError: The tokenizer's file cannot be read.
    """
    temporary, finished = out.with_name(f".{out.name}.f16"), out.with_name(f".{out.name}.partial")
    vocabulary = shape.vocabulary or read_header(tokenizer).vocabulary_size or 0
    weights = sum(rows * columns for _, rows, columns in matrices(shape, vocabulary))
    require_space(out.parent, int(weights * (2 + QUANTIZATIONS[quantization][1] / 8)), f"the shape {name}")
    try:
        write_f16(shape, temporary, tokenizer, name=name, seed=seed, on_share=lambda done: on_progress("weights", done))
        if quantization == "f16":  # as it is: a machine that only trains has no llama.cpp
            temporary.replace(out)
            return
        quantize_in_child(
            temporary,
            finished,
            quantization,
            on_share=lambda done: on_progress("quantize", done),
            cancelled=never_cancelled,
        )
        finished.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
        finished.unlink(missing_ok=True)


def matrices(shape: Shape, vocabulary: int) -> Iterator[tuple[str, int, int]]:
    """Name, rows and columns of every weight matrix, in file order; the embedding is tied to the output."""
    d, queries, keys = shape.hidden, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    yield "token_embd.weight", vocabulary, d
    for layer in range(shape.layers):
        block = f"blk.{layer}"
        yield f"{block}.attn_q.weight", queries, d
        yield f"{block}.attn_k.weight", keys, d
        yield f"{block}.attn_v.weight", keys, d
        yield f"{block}.attn_output.weight", d, queries
        yield f"{block}.ffn_gate.weight", shape.feed_forward, d
        yield f"{block}.ffn_up.weight", shape.feed_forward, d
        yield f"{block}.ffn_down.weight", d, shape.feed_forward


def write_f16(
    shape: Shape,
    out: Path,
    tokenizer: Path,
    *,
    name: str,
    seed: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> None:
    """Write the unquantized file matrix by matrix: at most one matrix is in memory."""
    import gguf
    import numpy as np

    writer = gguf.GGUFWriter(out, "llama")
    vocabulary = _add_tokenizer(writer, tokenizer, shape.vocabulary)
    _add_metadata(writer, shape, name, vocabulary)
    vectors = _vectors(shape)
    sizes = list(matrices(shape, vocabulary))
    for vector_name, vector in vectors.items():
        writer.add_tensor_info(vector_name, vector.shape, vector.dtype, vector.nbytes)
    for matrix_name, rows, columns in sizes:
        writer.add_tensor_info(matrix_name, (rows, columns), np.dtype(np.float16), rows * columns * 2)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for vector in vectors.values():
            writer.write_tensor_data(vector)
        rng = np.random.default_rng(seed)
        total, done = sum(rows * columns for _, rows, columns in sizes), 0
        for _, rows, columns in sizes:
            writer.write_tensor_data(_random_matrix(rng, rows, columns))
            done += rows * columns
            on_share(done / total)
    finally:
        writer.close()


def _random_matrix(rng: "np.random.Generator", rows: int, columns: int) -> "npt.NDArray[np.float16]":
    import numpy as np

    matrix = np.empty((rows, columns), np.float16)
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = matrix[start : start + _ROWS_AT_ONCE]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32) * np.float32(0.02)
    return matrix


def _vectors(shape: Shape) -> dict[str, "npt.NDArray[np.float32]"]:
    import numpy as np

    ones = np.ones(shape.hidden, np.float32)
    vectors = {"output_norm.weight": ones}
    for layer in range(shape.layers):
        vectors |= {f"blk.{layer}.attn_norm.weight": ones, f"blk.{layer}.ffn_norm.weight": ones}
    if shape.rope_factors:
        vectors["rope_freqs.weight"] = llama3_rope_factors(shape.head_dim)
    return vectors


def _add_tokenizer(writer: Any, tokenizer: Path, vocabulary: int | None) -> int:
    metadata = read_header(tokenizer, keep=_TOKENIZER_KEYS).metadata
    try:
        tokens, types, merges = (list(metadata[key]) for key in _TOKENIZER_KEYS)
    except KeyError as error:
        raise GGUFError(f"{tokenizer}: no {error} in its metadata; a gpt2 tokenizer is needed") from None
    missing = (vocabulary or len(tokens)) - len(tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(metadata.get("tokenizer.ggml.pre", "smollm"))
    writer.add_token_list(tokens + [f"Ġpad{index}x" for index in range(missing)])
    writer.add_token_types(types + [1] * missing)  # ordinary words, so that replies are visible
    writer.add_token_merges(merges)
    writer.add_bos_token_id(metadata.get("tokenizer.ggml.bos_token_id", 1))
    writer.add_eos_token_id(metadata.get("tokenizer.ggml.eos_token_id", 2))
    writer.add_add_bos_token(False)
    writer.add_chat_template(metadata.get("tokenizer.chat_template", ""))
    return len(tokens) + missing


def _add_metadata(writer: Any, shape: Shape, name: str, vocabulary: int) -> None:
    writer.add_name(f"Llama-3.2 {name} shape, random weights")
    writer.add_context_length(shape.context_tokens)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_dimension_count(shape.head_dim)
    writer.add_rope_freq_base(500_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(1)
