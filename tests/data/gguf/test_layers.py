from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from data.errors import ModelError
from data.gguf.header import read_header
from data.gguf.layers import drop_layers
from data.gguf.write import copied_metadata, copied_tensor, uint32, write_gguf
from data.progress import FetchCancelled
from tests.data.gguf_models import GATE, Q, tensors, write_model
from tests.gguf_bytes import gguf_bytes


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "in.gguf", layers=5)


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.Q4_1, Kind.Q8_0, Kind.Q5_1])
def test_the_other_layers_keep_their_bytes_and_move_up(tmp_path: Path, kind: Kind) -> None:
    source, out = write_model(tmp_path / "in.gguf", layers=5, kind=kind), tmp_path / "out.gguf"
    drop_layers(source, out, [3, 0])
    before, after = tensors(source), tensors(out)
    moved = {0: 1, 1: 2, 2: 4}
    assert len(after) == 1 + 3 * 3
    for new, old in moved.items():
        for name in ("attn_norm.weight", Q, GATE):
            one, other = after[f"blk.{new}.{name}"], before[f"blk.{old}.{name}"]
            assert one.tensor_type == other.tensor_type
            assert np.array_equal(one.data, other.data)
    assert np.array_equal(after["token_embd.weight"].data, before["token_embd.weight"].data)


def test_the_number_of_layers_and_what_is_listed_for_each_follow(tmp_path: Path, model: Path) -> None:
    drop_layers(model, tmp_path / "out.gguf", [1, 2])
    before, after = gguf.GGUFReader(model).fields, gguf.GGUFReader(tmp_path / "out.gguf").fields
    assert before["llama.attention.head_count_kv"].contents() == [2, 2, 2, 2, 1]
    assert after["llama.attention.head_count_kv"].contents() == [2, 2, 1]
    assert after["llama.block_count"].contents() == 3
    for key in ("tokenizer.ggml.tokens", "llama.attention.head_count", "general.file_type"):
        assert after[key].contents() == before[key].contents()
        assert after[key].types == before[key].types


def test_arrays_that_are_not_of_the_layers_stay(tmp_path: Path, model: Path) -> None:
    header = read_header(model)
    metadata = copied_metadata(model, header)
    metadata |= {"tokenizer.five": metadata["llama.attention.head_count_kv"]}
    write_gguf(tmp_path / "five.gguf", metadata, [copied_tensor(model, tensor) for tensor in header.tensors])
    drop_layers(tmp_path / "five.gguf", tmp_path / "out.gguf", [4])
    assert read_header(tmp_path / "out.gguf").metadata["tokenizer.five"] == (2, 2, 2, 2, 1)


def test_dropping_twice_is_dropping_both(tmp_path: Path, model: Path) -> None:
    once, first, second = (tmp_path / name for name in ("once", "first", "second"))
    drop_layers(model, once, [1, 3])
    drop_layers(model, first, [1])
    drop_layers(first, second, [2])
    assert second.read_bytes() == once.read_bytes()


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([5], "no layer 5 to drop; it has 5, numbered from 0"),
        ([-1], "no layer -1 to drop"),
        ([2, 1, 2], "layer 2 is to be dropped twice"),
        ([0, 1, 2, 3, 4], "all 5 layers are to be dropped; at least one must stay"),
        ([], "no layers to drop were named"),
    ],
)
def test_layers_that_cannot_be_dropped_are_named(tmp_path: Path, model: Path, layers: list[int], message: str) -> None:
    assert message in failure(lambda: drop_layers(model, tmp_path / "out.gguf", layers))
    assert [path.name for path in tmp_path.iterdir()] == ["in.gguf"]


def test_models_whose_layers_differ_and_broken_ones_are_refused(tmp_path: Path, model: Path) -> None:
    gemma = write_model(tmp_path / "gemma.gguf", arch="gemma3")
    assert "cannot drop layers of architecture 'gemma3'; known: llama, qwen2, qwen3" in failure(
        lambda: drop_layers(gemma, tmp_path / "out.gguf", [0])
    )
    model.write_bytes(model.read_bytes()[:-1])
    assert f"{model}: truncated" in failure(lambda: drop_layers(model, tmp_path / "out.gguf", [0]))


def test_a_file_that_promises_billions_of_layers_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "huge.gguf"
    path.write_bytes(gguf_bytes({"general.architecture": "llama", "llama.block_count": 2**32 - 1}))
    assert "it has 0" in failure(lambda: drop_layers(path, tmp_path / "out.gguf", [7]))


def test_a_cancelled_drop_leaves_nothing_and_progress_ends_at_all(tmp_path: Path, model: Path) -> None:
    answers = iter([False, False, True])
    with pytest.raises(FetchCancelled):
        drop_layers(model, tmp_path / "out.gguf", [1], cancelled=lambda: next(answers))
    assert [path.name for path in tmp_path.iterdir()] == ["in.gguf"]
    shares: list[float] = []
    drop_layers(model, tmp_path / "out.gguf", [1], on_share=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_metadata_is_changed_in_its_place(tmp_path: Path, model: Path) -> None:
    drop_layers(model, tmp_path / "out.gguf", [4])
    before, after = (copied_metadata(path, read_header(path)) for path in (model, tmp_path / "out.gguf"))
    assert list(after) == list(before)
    assert after["llama.block_count"] == uint32(4)
