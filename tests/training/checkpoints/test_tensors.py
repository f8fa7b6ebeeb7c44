import numpy as np
import pytest

from data.gguf.types import DECODERS
from training.checkpoints.architectures import ARCHITECTURES
from training.checkpoints.tensors import checkpoint_name, gguf_name, permute, permuted_heads, unpermute
from training.config import TrainingError

NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "model.layers.0.self_attn.q_proj.weight": "blk.0.attn_q.weight",
    "model.layers.27.self_attn.o_proj.weight": "blk.27.attn_output.weight",
    "model.layers.3.mlp.down_proj.weight": "blk.3.ffn_down.weight",
    "model.layers.3.input_layernorm.weight": "blk.3.attn_norm.weight",
    "model.layers.3.post_attention_layernorm.weight": "blk.3.ffn_norm.weight",
}


OF_ONE: dict[str, dict[str, str]] = {
    "llama": {},
    "qwen2": {f"model.layers.9.self_attn.{each}_proj.bias": f"blk.9.attn_{each}.bias" for each in "qkv"},
    "qwen3": {f"model.layers.9.self_attn.{each}_norm.weight": f"blk.9.attn_{each}_norm.weight" for each in "qk"},
}


def test_what_can_be_trained_is_what_can_be_merged() -> None:
    assert tuple(ARCHITECTURES) == DECODERS == tuple(OF_ONE)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_names_are_translated_both_ways_and_as_the_gguf_package_does(architecture: str) -> None:
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH[architecture.upper()], 30)
    for theirs, ours in (NAMES | OF_ONE[architecture]).items():
        assert gguf_name(theirs, architecture) == ours
        assert checkpoint_name(ours, architecture) == theirs
        assert names.get_name(theirs, try_suffixes=(".weight", ".bias")) == ours


@pytest.mark.parametrize("name", ["model.layers.0.mlp.experts.weight", "transformer.h.0.weight", "lm_head.bias"])
def test_a_tensor_that_none_has_is_refused(name: str) -> None:
    for architecture in ARCHITECTURES:
        with pytest.raises(TrainingError, match=f"tensor '{name}' is none of a {architecture}, and cannot be exported"):
            gguf_name(name, architecture)


def test_a_tensor_that_only_another_architecture_has_is_refused() -> None:
    for architecture in ARCHITECTURES:
        for theirs, ours in (pair for other in OF_ONE if other != architecture for pair in OF_ONE[other].items()):
            with pytest.raises(TrainingError, match=f"none of a {architecture}, and cannot be exported"):
                gguf_name(theirs, architecture)
            with pytest.raises(TrainingError, match=f"none of a {architecture}, and cannot be trained"):
                checkpoint_name(ours, architecture)


def test_only_a_llamas_q_and_k_are_permuted_each_by_its_own_heads() -> None:
    names = [f"blk.1.{module}.weight" for module in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate")]
    shape = {"num_attention_heads": 32, "num_key_value_heads": 8}
    assert [permuted_heads(name, shape | {"model_type": "llama"}) for name in names] == [32, 8, None, None, None]
    for other in ("qwen2", "qwen3"):
        assert [permuted_heads(name, shape | {"model_type": other}) for name in names] == [None] * 5


def test_permuting_pairs_the_halves_of_a_head() -> None:
    """Row i of a head's first half comes to stand beside row i of its second half."""
    rows = np.arange(16)
    assert permute(rows, 2).tolist() == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]


@pytest.mark.parametrize("heads", [1, 2, 4, 8])
def test_unpermuting_undoes_it(heads: int) -> None:
    rows = np.random.default_rng(0).standard_normal((64, 5))
    assert (unpermute(permute(rows, heads), heads) == rows).all()
    assert (permute(unpermute(rows, heads), heads) == rows).all()
    assert permute(rows, heads).shape == rows.shape


def test_rotating_neighbours_after_permuting_equals_rotating_halves_before() -> None:
    """llama.cpp's rotation of permuted rows against transformers' own of the plain ones."""
    import torch
    from transformers.models.llama.modeling_llama import rotate_half

    heads, size, position = 2, 8, 5
    vector = np.random.default_rng(1).standard_normal(heads * size)
    angles = position * 10_000.0 ** (-np.arange(size // 2) * 2 / size)
    halves = torch.from_numpy(vector.reshape(heads, size))
    cosine, sine = (torch.from_numpy(np.concatenate([part, part])) for part in (np.cos(angles), np.sin(angles)))
    theirs = (halves * cosine + rotate_half(halves) * sine).numpy().reshape(-1)
    pairs = permute(vector, heads).reshape(heads, size // 2, 2)
    first, second = pairs[..., 0], pairs[..., 1]
    turned = (first * np.cos(angles) - second * np.sin(angles), first * np.sin(angles) + second * np.cos(angles))
    ours = np.stack(turned, axis=-1).reshape(-1)
    np.testing.assert_allclose(ours, permute(theirs, heads), rtol=1e-12)
