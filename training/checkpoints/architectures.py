"""The architectures that can be trained and exported: what sets each apart, in transformers' words and in GGUF's.

All are decoders of layers that are alike, with the same seven matrices in each. What differs is in this table; another
one is another line here, a tiny model in the tests, and the parity gate's verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from data.gguf.rope import llama3_rope_factors
from training.config import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What sets one apart.

    Attributes:
        model_class: transformers' name of the model.
        permuted: Whether llama.cpp rotates neighbouring pairs, so that GGUF has q's and k's rows in another order;
            transformers rotates the halves of a head.
        biased: Modules with a bias.
        head_norms: Whether q and k are normalized head by head.
        rope_types: Ways of scaling rotary frequencies that the format can hold.
        unset: Keys of config.json that must not be set: the format could not say so.
    """

    model_class: str
    permuted: bool = False
    biased: tuple[str, ...] = ()
    head_norms: bool = False
    rope_types: tuple[str, ...] = ("default",)
    unset: tuple[str, ...] = ()


# By GGUF's `general.architecture`, which is transformers' `model_type`; as in `data.gguf.types.DECODERS`.
ARCHITECTURES: Mapping[str, Architecture] = {
    "llama": Architecture(
        model_class="LlamaForCausalLM",
        permuted=True,
        rope_types=("default", "llama3"),
        unset=("attention_bias", "mlp_bias"),
    ),
    "qwen2": Architecture(
        model_class="Qwen2ForCausalLM",
        biased=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        unset=("use_sliding_window",),
    ),
    "qwen3": Architecture(
        model_class="Qwen3ForCausalLM", head_norms=True, unset=("attention_bias", "use_sliding_window")
    ),
}


def architecture(name: object) -> Architecture:
    """What is known of an architecture.

    Raises:
        TrainingError: Nothing; lists those that are known.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise TrainingError(f"architecture {name!r} cannot be trained and exported; known: {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def check_exportable(config: Mapping[str, Any]) -> None:
    """Refuse a checkpoint by its config.json, before it is trained rather than after.

    Raises:
        TrainingError: An architecture or a feature that is not known.
    """
    name = config.get("model_type")
    for key in architecture(name).unset:
        if config.get(key):
            raise TrainingError(f"{key} is set in config.json, which a GGUF of architecture {name!r} cannot say")
    if config.get("quantization_config"):
        raise TrainingError("the checkpoint is quantized; take the 16-bit one, load_in_4bit quantizes it at loading")
    rope_factors(config)


def head_dim(config: Mapping[str, Any]) -> int:
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def kv_heads(config: Mapping[str, Any]) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary parameters, as transformers 5 (`rope_parameters`) and 4 (`rope_theta`, `rope_scaling`) write them."""
    older = {"rope_theta": config.get("rope_theta", 10_000.0), **(config.get("rope_scaling") or {})}
    return {**older, **(config.get("rope_parameters") or {})}


def rope_factors(config: Mapping[str, Any]) -> "npt.NDArray[np.float32] | None":
    """Divisors of the rotary frequencies that the GGUF must hold; None where they are not scaled.

    Raises:
        TrainingError: Scaled in a way that the format cannot hold.
    """
    found, known = rope(config), architecture(config.get("model_type")).rope_types
    kind = found.get("rope_type", "default")
    if kind not in known:
        raise TrainingError(f"rope_type is {kind!r}; known for {config['model_type']}: {', '.join(known)}")
    if kind == "default":
        return None
    return llama3_rope_factors(
        head_dim(config),
        base=found["rope_theta"],
        factor=found["factor"],
        low=found["low_freq_factor"],
        high=found["high_freq_factor"],
        trained=found["original_max_position_embeddings"],
    )


def config_of(metadata: Mapping[str, Any], factors: "npt.NDArray[Any] | None") -> dict[str, Any]:
    """transformers' config.json for a GGUF's metadata, without what the tensors and the tokenizer say.

    Args:
        factors: The file's `rope_freqs.weight`, where it has them.

    Raises:
        TrainingError: An architecture that is not known, or rotary frequencies scaled in another way than Llama 3.2's.
    """
    name = str(metadata["general.architecture"])
    known, prefix = architecture(name), f"{name}."
    value = {key.removeprefix(prefix): item for key, item in metadata.items() if key.startswith(prefix)}
    if (scaling := value.get("rope.scaling.type", "none")) != "none":
        raise TrainingError(f"{prefix}rope.scaling.type is {scaling!r}; only unscaled frequencies and Llama 3.2's")
    heads, hidden = value["attention.head_count"], value["embedding_length"]
    config = {
        "architectures": [known.model_class],
        "model_type": name,
        "hidden_size": hidden,
        "intermediate_size": value["feed_forward_length"],
        "num_hidden_layers": value["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": value.get("attention.head_count_kv", heads),
        "head_dim": value.get("attention.key_length", hidden // heads),
        "max_position_embeddings": value["context_length"],
        "rms_norm_eps": value["attention.layer_norm_rms_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": value.get("rope.freq_base", 10_000.0)},
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "hidden_act": "silu",
        **dict.fromkeys(known.unset, False),
    }
    if factors is not None:
        config["rope_parameters"] |= _llama3_scaling(factors, config)
    return config


def _llama3_scaling(factors: "npt.NDArray[Any]", config: Mapping[str, Any]) -> dict[str, Any]:
    """Llama 3.2's scaling, where the file's factors are those."""
    import numpy as np

    expected = llama3_rope_factors(config["head_dim"], base=config["rope_parameters"]["rope_theta"])
    if factors.shape != expected.shape or not np.allclose(factors, expected, rtol=1e-4):
        raise TrainingError("the GGUF scales its rotary frequencies in a way that is not Llama 3.2's")
    return dict(_LLAMA3_ROPE)
