import numpy as np
import pytest

from training.checkpoints.tensors import checkpoint_name, gguf_name, heads_of, permute, unpermute
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


@pytest.mark.parametrize(("theirs", "ours"), NAMES.items())
def test_names_are_translated_both_ways(theirs: str, ours: str) -> None:
    assert gguf_name(theirs) == ours
    assert checkpoint_name(ours) == theirs


def test_the_gguf_package_names_every_tensor_the_same() -> None:
    from gguf import MODEL_ARCH, get_tensor_name_map

    names = get_tensor_name_map(MODEL_ARCH.LLAMA, 30)
    for theirs, ours in NAMES.items():
        assert names.get_name(theirs, try_suffixes=(".weight",)) == ours


@pytest.mark.parametrize("name", ["model.layers.0.mlp.experts.weight", "transformer.h.0.weight", "lm_head.bias"])
def test_a_tensor_that_no_llama_has_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match=f"tensor '{name}' is none of a Llama"):
        gguf_name(name)


def test_a_gguf_tensor_that_no_llama_has_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"'blk\.0\.ffn_gate_inp\.weight' is none of a Llama"):
        checkpoint_name("blk.0.ffn_gate_inp.weight")


def test_only_q_and_k_are_permuted_each_by_its_own_heads() -> None:
    modules = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate")
    assert [heads_of(f"blk.1.{module}.weight", 32, 8) for module in modules] == [32, 8, None, None, None]


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
