"""How a checkpoint's tensors are named and laid out in transformers and in GGUF."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from training.checkpoints.architectures import ARCHITECTURES, kv_heads
from training.config import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_MODULES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
_HEAD_NORMS = {"self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm"}
_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")
_BLK = re.compile(r"blk\.(\d+)\.(.+)")


def gguf_name(name: str, architecture: str) -> str:
    """GGUF's name of a checkpoint's tensor, such as `model.layers.0.self_attn.q_proj.weight`.

    Raises:
        TrainingError: Not a tensor of that architecture.
    """
    match, known = _LAYER.fullmatch(name), _of_a_layer(architecture)
    if name in _TOP:
        return _TOP[name]
    if not match or match[2] not in known:
        raise TrainingError(f"tensor {name!r} is none of a {architecture}, and cannot be exported")
    return f"blk.{match[1]}.{known[match[2]]}"


def checkpoint_name(name: str, architecture: str) -> str:
    """The inverse of `gguf_name`."""
    match, known = _BLK.fullmatch(name), {ours: theirs for theirs, ours in _of_a_layer(architecture).items()}
    for theirs, ours in _TOP.items():
        if name == ours:
            return theirs
    if not match or match[2] not in known:
        raise TrainingError(f"tensor {name!r} is none of a {architecture}, and cannot be trained")
    return f"model.layers.{match[1]}.{known[match[2]]}"


@lru_cache
def _of_a_layer(architecture: str) -> dict[str, str]:
    """GGUF's names of a layer's tensors by the checkpoint's, without the layer."""
    known = ARCHITECTURES[architecture]
    modules = _MODULES | (_HEAD_NORMS if known.head_norms else {})
    names = {f"{theirs}.weight": f"{ours}.weight" for theirs, ours in modules.items()}
    return names | {f"{theirs}.bias": f"{modules[theirs]}.bias" for theirs in known.biased}


def to_gguf(name: str, rows: "npt.NDArray[Any]", config: Mapping[str, Any]) -> "npt.NDArray[Any]":
    """A tensor's rows in llama.cpp's order; `name` is GGUF's, `config` the checkpoint's config.json."""
    heads = permuted_heads(name, config)
    return permute(rows, heads) if heads else rows


def from_gguf(name: str, rows: "npt.NDArray[Any]", config: Mapping[str, Any]) -> "npt.NDArray[Any]":
    """The inverse of `to_gguf`."""
    heads = permuted_heads(name, config)
    return unpermute(rows, heads) if heads else rows


def permuted_heads(name: str, config: Mapping[str, Any]) -> int | None:
    """How many heads the rows of a GGUF tensor are permuted by; None where they are not."""
    if not ARCHITECTURES[config["model_type"]].permuted:
        return None
    if ".attn_q." in name:
        return int(config["num_attention_heads"])
    return kv_heads(config) if ".attn_k." in name else None


def permute(rows: "npt.NDArray[Any]", heads: int) -> "npt.NDArray[Any]":
    """Rows in transformers' order to llama.cpp's, shape (heads · head_dim, …)."""
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def unpermute(rows: "npt.NDArray[Any]", heads: int) -> "npt.NDArray[Any]":
    """The inverse of `permute`."""
    return rows.reshape(heads, -1, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
