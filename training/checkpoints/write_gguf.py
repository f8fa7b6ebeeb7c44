"""Write a transformers checkpoint as an F16 GGUF, tensor by tensor.

Every value of the file can be seen here and in `architectures`: names, q and k rows, rotary scaling, tokenizer, special
tokens and chat template. The parity gate proves the result (docs/decisions/0001-own-gguf-writer.md).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checkpoints.architectures import check_exportable, head_dim, kv_heads, rope, rope_factors
from training.checkpoints.tensors import gguf_name, to_gguf
from training.checkpoints.tokenizer import gguf_tokenizer
from training.config import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_SKIPPED = "rotary_emb.inv_freq"


def write_gguf(
    checkpoint: Path, out: Path, *, name: str, tokenizer: Path, on_share: Callable[[float], None] = lambda share: None
) -> None:
    """Write `out`; at most one matrix is in memory.

    Args:
        checkpoint: Directory with config.json and safetensors.
        tokenizer: Directory of the tokenizer with the chat template that was trained with.

    Raises:
        TrainingError: An architecture or a feature that is not known, or weights outside F16's range.
    """
    import gguf

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    check_exportable(config)
    architecture = config["model_type"]
    shapes = {tensor: shape for tensor, shape in _shapes(checkpoint) if _SKIPPED not in tensor}
    if config.get("tie_word_embeddings"):
        shapes.pop("lm_head.weight", None)
    names = {tensor: gguf_name(tensor, architecture) for tensor in shapes}
    factors = rope_factors(config)
    temporary = out.with_name(f".{out.name}.partial")
    writer = gguf.GGUFWriter(temporary, architecture)
    try:
        _add_metadata(writer, config, name)
        _add_tokenizer(writer, gguf_tokenizer(tokenizer, config["vocab_size"]))
        _announce_tensors(writer, {names[tensor]: shape for tensor, shape in shapes.items()}, factors)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, (tensor, weights) in enumerate(_weights(checkpoint, list(shapes)), start=1):
            weights = to_gguf(names[tensor], weights, config)
            writer.write_tensor_data(weights if len(shapes[tensor]) == 1 else _to_f16(tensor, weights))
            on_share(done / len(shapes))
        writer.close()
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _announce_tensors(
    writer: Any, shapes: Mapping[str, tuple[int, ...]], factors: "npt.NDArray[np.float32] | None"
) -> None:
    """Names and sizes, in the order in which the tensors follow: vectors stay F32."""
    import numpy as np

    if factors is not None:
        writer.add_tensor_info("rope_freqs.weight", factors.shape, factors.dtype, factors.nbytes)
    for tensor, shape in shapes.items():
        dtype = np.dtype(np.float32 if len(shape) == 1 else np.float16)
        writer.add_tensor_info(tensor, shape, dtype, int(np.prod(shape)) * dtype.itemsize)


def _to_f16(name: str, weights: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float16]":
    import numpy as np

    largest = float(np.abs(weights).max())
    if not largest < 65_504:  # also catches NaN
        raise TrainingError(f"tensor {name} has the value {largest}; F16 holds up to 65,504: training diverged")
    return weights.astype(np.float16)


def _add_metadata(writer: Any, config: Mapping[str, Any], name: str) -> None:
    writer.add_type("model")
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(kv_heads(config))
    writer.add_key_length(head_dim(config))
    writer.add_value_length(head_dim(config))
    writer.add_rope_dimension_count(head_dim(config))
    writer.add_rope_freq_base(rope(config)["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(1)
    writer.add_quantization_version(2)


def _add_tokenizer(writer: Any, metadata: Mapping[str, Any]) -> None:
    values = dict(metadata)
    writer.add_token_list(values.pop("tokenizer.ggml.tokens"))
    writer.add_token_types(values.pop("tokenizer.ggml.token_type"))
    writer.add_token_merges(values.pop("tokenizer.ggml.merges"))
    for key, value in values.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_string(key, value)


def _files(checkpoint: Path) -> list[Path]:
    files = sorted(checkpoint.glob("*.safetensors"))
    if not files:
        raise TrainingError(f"{checkpoint}: no safetensors in it")
    return files


def _shapes(checkpoint: Path) -> Iterator[tuple[str, tuple[int, ...]]]:
    from safetensors import safe_open

    for file in _files(checkpoint):
        with safe_open(file, framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118 (not a mapping)
                yield name, tuple(tensors.get_slice(name).get_shape())


def _weights(checkpoint: Path, names: list[str]) -> Iterator[tuple[str, "npt.NDArray[np.float32]"]]:
    """The named tensors in this order, which is the files' own."""
    from safetensors import safe_open

    wanted = set(names)
    for file in _files(checkpoint):
        with safe_open(file, framework="pt") as tensors:  # numpy has no bf16
            for name in tensors.keys():  # noqa: SIM118
                if name in wanted:
                    yield name, tensors.get_tensor(name).float().numpy()
