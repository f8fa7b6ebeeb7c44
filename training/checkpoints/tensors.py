"""How a Llama checkpoint's tensors are named and laid out in transformers and in GGUF.

The rows of q and k differ: transformers rotates the two halves of a head, llama.cpp neighbouring pairs.
"""

import re
from typing import TYPE_CHECKING, Any

from training.config import TrainingError

if TYPE_CHECKING:
    import numpy.typing as npt

_TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_BLOCK = {
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
_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)\.weight")
_BLK = re.compile(r"blk\.(\d+)\.(.+)\.weight")


def gguf_name(name: str) -> str:
    """GGUF's name of a checkpoint's tensor, such as `model.layers.0.self_attn.q_proj.weight`.

    Raises:
        TrainingError: Not a tensor of a Llama.
    """
    if name in _TOP:
        return _TOP[name]
    match = _LAYER.fullmatch(name)
    if not match or match[2] not in _BLOCK:
        raise TrainingError(f"tensor {name!r} is none of a Llama; only the llama architecture can be exported")
    return f"blk.{match[1]}.{_BLOCK[match[2]]}.weight"


def checkpoint_name(name: str) -> str:
    """The inverse of `gguf_name`."""
    for theirs, ours in _TOP.items():
        if name == ours:
            return theirs
    match = _BLK.fullmatch(name)
    modules = {ours: theirs for theirs, ours in _BLOCK.items()}
    if not match or match[2] not in modules:
        raise TrainingError(f"tensor {name!r} is none of a Llama; only the llama architecture can be trained")
    return f"model.layers.{match[1]}.{modules[match[2]]}.weight"


def heads_of(name: str, heads: int, kv_heads: int) -> int | None:
    """How many heads the rows of a GGUF tensor are permuted by; None where they are not."""
    if ".attn_q." in name:
        return heads
    return kv_heads if ".attn_k." in name else None


def permute(rows: "npt.NDArray[Any]", heads: int) -> "npt.NDArray[Any]":
    """Rows in transformers' order to llama.cpp's, shape (heads · head_dim, …)."""
    return rows.reshape(heads, 2, -1, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def unpermute(rows: "npt.NDArray[Any]", heads: int) -> "npt.NDArray[Any]":
    """The inverse of `permute`."""
    return rows.reshape(heads, -1, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
