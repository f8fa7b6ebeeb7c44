"""Write a transformers Llama checkpoint as an F16 GGUF, tensor by tensor.

Llama only, so that every value of the file can be seen here: names, q and k rows, rotary scaling, tokenizer, special
tokens and chat template. The parity gate proves the result (docs/decisions/0001-own-gguf-writer.md).
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.gguf.rope import llama3_rope_factors
from training.checkpoints.tensors import gguf_name, heads_of, permute
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
        TrainingError: Not a Llama, a feature that is not known, or weights outside F16's range.
    """
    import gguf

    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    check_exportable(config)
    heads, kv_heads = config["num_attention_heads"], config.get("num_key_value_heads", config["num_attention_heads"])
    shapes = {tensor: shape for tensor, shape in _shapes(checkpoint) if _SKIPPED not in tensor}
    if config.get("tie_word_embeddings"):
        shapes.pop("lm_head.weight", None)
    factors = _rope_factors(config)
    temporary = out.with_name(f".{out.name}.partial")
    writer = gguf.GGUFWriter(temporary, "llama")
    try:
        _add_metadata(writer, config, name)
        _add_tokenizer(writer, gguf_tokenizer(tokenizer, config["vocab_size"]))
        _announce_tensors(writer, shapes, factors)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        if factors is not None:
            writer.write_tensor_data(factors)
        for done, (tensor, weights) in enumerate(_weights(checkpoint, list(shapes)), start=1):
            if count := heads_of(gguf_name(tensor), heads, kv_heads):
                weights = permute(weights, count)
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
        writer.add_tensor_info(gguf_name(tensor), shape, dtype, int(np.prod(shape)) * dtype.itemsize)


def _to_f16(name: str, weights: "npt.NDArray[np.float32]") -> "npt.NDArray[np.float16]":
    import numpy as np

    largest = float(np.abs(weights).max())
    if not largest < 65_504:  # also catches NaN
        raise TrainingError(f"tensor {name} has the value {largest}; F16 holds up to 65,504: training diverged")
    return weights.astype(np.float16)


def check_exportable(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint by its config.json, before it is trained rather than after.

    Raises:
        TrainingError: Not a Llama, or with a feature that is not known.
    """
    if config.get("model_type") != "llama":
        raise TrainingError(f"model_type is {config.get('model_type')!r}; only llama can be trained and exported")
    for key in ("attention_bias", "mlp_bias"):
        if config.get(key):
            raise TrainingError(f"{key} is set; a Llama with biases cannot be exported")
    if config.get("quantization_config"):
        raise TrainingError("the checkpoint is quantized; take the 16-bit one, load_in_4bit quantizes it at loading")
    _rope_factors(config)


def _rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters, as transformers 5 (`rope_parameters`) and 4 (`rope_theta`, `rope_scaling`) write them."""
    rope = {"rope_theta": config.get("rope_theta", 10_000.0), **(config.get("rope_scaling") or {})}
    return {**rope, **(config.get("rope_parameters") or {})}


def _rope_factors(config: Mapping[str, Any]) -> "npt.NDArray[np.float32] | None":
    rope = _rope(config)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return None
    if kind != "llama3":
        raise TrainingError(f"rope_type is {kind!r}; known: default, llama3")
    return llama3_rope_factors(
        _head_dim(config),
        base=rope["rope_theta"],
        factor=rope["factor"],
        low=rope["low_freq_factor"],
        high=rope["high_freq_factor"],
        trained=rope["original_max_position_embeddings"],
    )


def _head_dim(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _add_metadata(writer: Any, config: Mapping[str, Any], name: str) -> None:
    writer.add_type("model")
    writer.add_name(name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads", config["num_attention_heads"]))
    writer.add_key_length(_head_dim(config))
    writer.add_value_length(_head_dim(config))
    writer.add_rope_dimension_count(_head_dim(config))
    writer.add_rope_freq_base(_rope(config)["rope_theta"])
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
