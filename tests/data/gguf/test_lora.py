from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from data.errors import ModelError
from data.gguf.header import read_header
from data.gguf.lora import AdapterError, merge_adapter, read_adapter, write_adapter
from data.gguf.types import DECODERS
from data.gguf.write import copied_metadata, copied_tensor, float32, text, uint32, write_gguf
from data.progress import FetchCancelled
from tests.data.gguf_models import COLUMNS, GATE, ROWS, Pairs, Q, adapter_pairs, tensors, values, write_model
from tests.data.llama_logits import logits

PAIRS = adapter_pairs()
ONE = {"w": (np.ones((2, 64)), np.ones((64, 2)))}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_model(tmp_path / "base.gguf")


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return write(tmp_path)


def write(tmp_path: Path, pairs: Pairs = PAIRS, alpha: float = 8.0, architecture: str = "llama") -> Path:
    path = tmp_path / "adapter.gguf"
    write_adapter(path, pairs, alpha=alpha, name="tiny r4", base="Tiny", architecture=architecture)
    return path


def rewrite(path: Path, changes: dict[str, bytes] | None = None, drop: str = "", rename: str = "") -> Path:
    """Damage an adapter: other metadata, one tensor left out, or one under another name."""
    header = read_header(path)
    metadata = copied_metadata(path, header) | (changes or {})
    kept = [
        copied_tensor(path, tensor, "other" if tensor.name == rename else None)
        for tensor in header.tensors
        if tensor.name != drop
    ]
    new = path.with_name("damaged.gguf")
    write_gguf(new, {key: value for key, value in metadata.items() if value}, kept)
    return new


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_adapter_is_the_standard_file_of_llama_cpp(adapter: Path) -> None:
    reader = gguf.GGUFReader(adapter)
    metadata = {key: field.contents() for key, field in reader.fields.items() if not key.startswith("GGUF.")}
    assert metadata == {
        "general.architecture": "llama",
        "general.type": "adapter",
        "general.name": "tiny r4",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Tiny",
        "general.file_type": 1,
        "adapter.type": "lora",
        "adapter.lora.alpha": 8.0,
    }
    assert reader.fields["adapter.lora.alpha"].types == [gguf.GGUFValueType.FLOAT32]
    a, b = tensors(adapter)[f"blk.0.{GATE}.lora_a"], tensors(adapter)[f"blk.0.{GATE}.lora_b"]
    assert (a.data.shape, b.data.shape) == ((4, COLUMNS), (ROWS, 4))
    assert a.tensor_type == b.tensor_type == Kind.F16


def test_an_adapter_is_read_as_it_was_written(adapter: Path) -> None:
    read = read_adapter(adapter)
    assert (read.rank, read.alpha, read.scale, read.name, read.base) == (4, 8.0, 2.0, "tiny r4", "Tiny")
    assert list(read.tensors) == list(PAIRS)
    for name, pair in PAIRS.items():
        for got, wrote in zip(read.tensors[name], pair):
            assert np.array_equal(got, wrote)


def test_an_adapter_of_f32_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "f32.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16)
    writer.add_tensor("w.lora_b", np.full((3, 2), 1e-7, np.float32))
    writer.add_tensor("w.lora_a", np.ones((2, 5), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    a, b = read_adapter(path).tensors["w"]
    assert (a.shape, b.shape, b[0, 0]) == ((2, 5), (3, 2), np.float32(1e-7))


def test_the_same_adapter_is_written_with_the_same_bytes(tmp_path: Path, adapter: Path) -> None:
    first = adapter.read_bytes()
    assert write(tmp_path).read_bytes() == first


@pytest.mark.parametrize(
    ("pairs", "alpha", "message"),
    [
        ({}, 8.0, "changes no tensor"),
        (ONE, 0.0, "alpha is 0.0; it must be a positive number"),
        (ONE, float("nan"), "alpha is nan; it must be a positive number"),
        ({"w": (np.ones((2, 64)), np.ones((64, 3)))}, 8.0, "w: lora_a is (2, 64), lora_b (64, 3); they must be"),
        ({"w": (np.ones(64), np.ones((64, 1)))}, 8.0, "w: lora_a is (64,), lora_b (64, 1)"),
        ({"w": (np.ones((0, 64)), np.ones((64, 0)))}, 8.0, "w: lora_a is (0, 64)"),
        ({**ONE, "v": (np.ones((3, 64)), np.ones((64, 3)))}, 8.0, "ranks differ: 2 in w, 3 in v"),
        ({"w": (np.full((2, 64), np.inf), np.ones((64, 2)))}, 8.0, "w has values that are not finite"),
        ({"w": (np.ones((2, 64)), np.full((64, 2), 7e4))}, 8.0, "w.lora_b has a value of 70000; F16 ends at 65,504"),
        ({"token_embd.weight": ONE["w"]}, 8.0, "changes token_embd.weight, which cannot be merged"),
        ({"w" * 57: ONE["w"]}, 8.0, "longer than llama.cpp's 63 bytes"),
    ],
)
def test_a_wrong_adapter_is_not_written(tmp_path: Path, pairs: Pairs, alpha: float, message: str) -> None:
    assert message in failure(lambda: write(tmp_path, pairs, alpha))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.type": b""}, "not a LoRA adapter: general.type is None, not 'adapter'"),
        ({"general.type": text("model")}, "general.type is 'model', not 'adapter'"),
        ({"adapter.type": text("dora")}, "adapter.type is 'dora', not 'lora'"),
        ({"general.architecture": text("gemma3")}, "'gemma3' cannot be merged; known: llama, qwen2, qwen3"),
        ({"adapter.lora.alpha": b""}, "alpha is None; it must be a positive number"),
        ({"adapter.lora.alpha": float32(-1)}, "alpha is -1.0"),
        ({"adapter.lora.alpha": text("16")}, "alpha is '16'"),
    ],
)
def test_what_is_not_a_lora_adapter_is_refused(adapter: Path, changes: dict[str, bytes], message: str) -> None:
    assert message in failure(lambda: read_adapter(rewrite(adapter, changes)))


def test_a_model_is_not_taken_for_an_adapter(base: Path) -> None:
    assert failure(lambda: read_adapter(base)).startswith(f"{base}: not a LoRA adapter: general.type is None")


def test_half_a_pair_and_foreign_tensors_are_named(adapter: Path) -> None:
    a, b = f"blk.1.{Q}.lora_a", f"blk.1.{Q}.lora_b"
    assert f"{b} is there without {a}" in failure(lambda: read_adapter(rewrite(adapter, drop=a)))
    assert f"{a} is there without {b}" in failure(lambda: read_adapter(rewrite(adapter, drop=b)))
    assert "'other' is neither a lora_a nor a lora_b" in failure(lambda: read_adapter(rewrite(adapter, rename=a)))


def test_a_quantized_or_broken_adapter_is_refused(tmp_path: Path, adapter: Path) -> None:
    path = tmp_path / "q8.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for name in ("w.lora_a", "w.lora_b"):
        writer.add_tensor(name, gguf.quants.quantize(np.ones((32, 32), np.float32), Kind.Q8_0), raw_dtype=Kind.Q8_0)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert "w.lora_a is empty or of type 8, not F32, F16 or BF16" in failure(lambda: read_adapter(path))
    adapter.write_bytes(adapter.read_bytes()[:-1])
    assert f"{adapter}: truncated" in failure(lambda: read_adapter(adapter))
    assert f"{tmp_path / 'none'}: No such file" in failure(lambda: read_adapter(tmp_path / "none"))


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q8_0, Kind.Q4_1])
def test_a_merge_is_the_float64_sum_rounded_to_f16(tmp_path: Path, adapter: Path, kind: Kind) -> None:
    base, out = write_model(tmp_path / "base.gguf", kind=kind), tmp_path / "out.gguf"
    merge_adapter(base, adapter, out)
    merged = tensors(out)
    for name, value in values(base).items():
        expected = value
        if name in PAIRS:
            a, b = (factor.astype(np.float64) for factor in PAIRS[name])
            expected = value + 8 / 4 * (b @ a)
        if name.endswith("_norm.weight"):
            assert merged[name].tensor_type == Kind.F32
            assert np.array_equal(merged[name].data, value.astype(np.float32))
        else:
            assert merged[name].tensor_type == Kind.F16
            assert np.array_equal(merged[name].data, expected.astype(np.float16))


@pytest.mark.parametrize("seed", range(20))
def test_any_rank_alpha_and_block_size_merge_exactly(
    tmp_path: Path, base: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    monkeypatch.setattr("data.gguf.write._BLOCK_ELEMENTS", int(rng.integers(1, 10_000)))
    rank, alpha = int(rng.integers(1, 33)), float(rng.integers(1, 65))
    pairs = {
        name: (factor_a * np.float16(0.05), factor_b * np.float16(10.0 ** -rng.integers(0, 7)))
        for name, (factor_a, factor_b) in adapter_pairs(rank=rank, seed=seed).items()
        if rng.random() < 0.7
    }
    merge_adapter(base, write(tmp_path, pairs, alpha), tmp_path / "out.gguf")
    before, after = values(base), tensors(tmp_path / "out.gguf")
    for name, (a, b) in pairs.items():
        # Added one rank at a time, in reverse: another order than matrix multiplication's gives the same bytes.
        a64, b64 = a.astype(np.float64), b.astype(np.float64)
        delta = sum(np.outer(b64[:, index], a64[index]) for index in reversed(range(rank)))
        assert np.array_equal(after[name].data, (before[name] + alpha / rank * delta).astype(np.float16))


def test_a_merge_copies_metadata_and_says_that_it_is_f16(tmp_path: Path, adapter: Path) -> None:
    base, out = write_model(tmp_path / "base.gguf", kind=Kind.Q4_1, alignment=64), tmp_path / "out.gguf"
    merge_adapter(base, adapter, out)
    before, after = (copied_metadata(path, read_header(path)) for path in (base, out))
    assert after == before | {"general.file_type": uint32(1)}
    assert list(tensors(out)) == list(tensors(base))


def test_a_merge_reports_its_share_and_gives_the_same_bytes_twice(tmp_path: Path, base: Path, adapter: Path) -> None:
    shares: list[float] = []
    merge_adapter(base, adapter, tmp_path / "one.gguf", on_share=shares.append)
    merge_adapter(base, adapter, tmp_path / "two.gguf")
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert (tmp_path / "one.gguf").read_bytes() == (tmp_path / "two.gguf").read_bytes()


def test_a_merge_that_is_cancelled_leaves_nothing(tmp_path: Path, base: Path, adapter: Path) -> None:
    answers = iter([False] * 3 + [True])
    with pytest.raises(FetchCancelled):
        merge_adapter(base, adapter, tmp_path / "out.gguf", cancelled=lambda: next(answers))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.gguf", "base.gguf"]


def test_an_adapter_of_another_base_is_refused_before_anything_is_written(tmp_path: Path, base: Path) -> None:
    def refusal(pairs: Pairs) -> str:
        return failure(lambda: merge_adapter(base, write(tmp_path, pairs), tmp_path / "out.gguf"))

    assert "the base has no tensor 'blk.3.attn_q.weight'; the adapter is of another model" in refusal(
        adapter_pairs(layers=4)
    )
    wider = {f"blk.0.{Q}": (np.ones((4, 128)), np.ones((64, 4)))}
    assert "is (64, 64) in the base, (64, 128) in the adapter, which is of another model" in refusal(wider)
    vector = {"blk.0.attn_norm.weight": (np.ones((4, 64)), np.ones((1, 4)))}
    assert "is (64,) in the base, (1, 64) in the adapter" in refusal(vector)
    assert not (tmp_path / "out.gguf").exists()


def test_a_merged_value_that_f16_cannot_hold_is_named_by_its_tensor(tmp_path: Path, base: Path) -> None:
    pairs = {f"blk.2.{Q}": (np.full((4, 64), 200.0), np.full((64, 4), 200.0))}
    message = failure(lambda: merge_adapter(base, write(tmp_path, pairs), tmp_path / "out.gguf"))
    assert f"{base}: blk.2.{Q} has a value of 3200" in message
    assert message.endswith("; F16 ends at 65,504")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter.gguf", "base.gguf"]


def test_another_architecture_is_refused_and_so_is_an_adapter_of_another_than_the_base(
    tmp_path: Path, adapter: Path
) -> None:
    for architecture, message in (
        ("gemma3", "base.gguf: architecture 'gemma3' cannot be merged; known: llama, qwen2, qwen3"),
        ("qwen2", "adapter.gguf: is for llama; base.gguf is a qwen2"),
    ):
        base = write_model(tmp_path / "base.gguf", arch=architecture)
        assert failure(lambda base=base: merge_adapter(base, adapter, tmp_path / "out.gguf")) == f"{tmp_path}/{message}"


@pytest.mark.parametrize("architecture", DECODERS)
def test_a_merge_is_the_same_sum_for_every_architecture(tmp_path: Path, architecture: str) -> None:
    base, out = write_model(tmp_path / "base.gguf", arch=architecture), tmp_path / "out.gguf"
    merge_adapter(base, write(tmp_path, architecture=architecture), out)
    assert read_header(out).architecture == architecture
    merged, before = values(out), values(base)
    for name, (a, b) in PAIRS.items():
        expected = before[name] + 8 / 4 * (b.astype(np.float64) @ a.astype(np.float64))
        assert np.array_equal(merged[name], expected.astype(np.float16))


def test_a_base_that_cannot_be_dequantized_is_one_line(tmp_path: Path, base: Path, adapter: Path) -> None:
    header = read_header(base)
    moved = [copied_tensor(base, tensor) for tensor in header.tensors]
    odd = [*moved, copied_tensor(base, replace(header.tensors[0], kind=26), "ids")]
    write_gguf(tmp_path / "odd.gguf", copied_metadata(base, header), odd)
    message = failure(lambda: merge_adapter(tmp_path / "odd.gguf", adapter, tmp_path / "out.gguf"))
    assert "tensor 'ids' has type 26, which cannot be dequantized" in message


def test_errors_about_adapters_are_model_errors() -> None:
    assert issubclass(AdapterError, ModelError)


@pytest.mark.slow
def test_llama_cpp_computes_the_same_with_the_adapter_beside_the_base_and_merged(tmp_path: Path) -> None:
    from data.gguf.shapes import SHAPES, matrices, write_f16
    from tests.gguf_bytes import word_tokenizer

    base, merged = tmp_path / "base.gguf", tmp_path / "merged.gguf"
    write_f16(SHAPES["tiny"], base, word_tokenizer(tmp_path / "words.gguf"), name="tiny")
    rng = np.random.default_rng(0)
    pairs = {
        name: (rng.normal(0, 0.1, (8, columns)), rng.normal(0, 0.05, (rows, 8)))
        for name, rows, columns in matrices(SHAPES["tiny"], 259)
        if name != "token_embd.weight"
    }
    adapter = write(tmp_path, pairs, alpha=16)
    merge_adapter(base, adapter, merged)
    beside, inside, without = logits(base, adapter), logits(merged), logits(base)
    assert np.abs(inside - beside).max() < 0.01 * np.abs(beside - without).max()
