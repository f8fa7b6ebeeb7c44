import random
import struct
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType, GGUFValueType

from data.gguf.header import GGUFError, TensorInfo, read_header
from data.gguf.write import (
    NewTensor,
    copied_metadata,
    copied_tensor,
    float32,
    picked,
    text,
    uint32,
    value_blocks,
    write_gguf,
)
from data.progress import FetchCancelled
from tests.data.gguf_models import write_model
from tests.gguf_bytes import gguf_bytes


def copy(source: Path, out: Path, **options: object) -> Path:
    header = read_header(source)
    tensors = [copied_tensor(source, tensor) for tensor in header.tensors]
    write_gguf(out, copied_metadata(source, header), tensors, **options)  # type: ignore[arg-type]
    return out


@pytest.mark.parametrize("kind", [GGMLQuantizationType.F32, GGMLQuantizationType.Q4_1, GGMLQuantizationType.BF16])
def test_an_unchanged_copy_has_the_same_bytes(tmp_path: Path, kind: GGMLQuantizationType) -> None:
    source = write_model(tmp_path / "in.gguf", kind=kind)
    assert copy(source, tmp_path / "out.gguf").read_bytes() == source.read_bytes()


def test_an_unusual_alignment_is_kept(tmp_path: Path) -> None:
    source = write_model(tmp_path / "in.gguf", alignment=128)
    assert copy(source, tmp_path / "out.gguf", alignment=128).read_bytes() == source.read_bytes()


def test_metadata_of_every_type_is_copied_verbatim(tmp_path: Path) -> None:
    source = tmp_path / "in.gguf"
    writer = gguf.GGUFWriter(source, "llama")
    numbers = [kind for kind in GGUFValueType if kind not in (GGUFValueType.STRING, GGUFValueType.ARRAY)]
    for kind in numbers:
        writer.add_key_value(f"one.{kind.name}", 1, kind)
        writer.add_key_value(f"many.{kind.name}", [1, 0, 1], GGUFValueType.ARRAY, sub_type=kind)
    writer.add_string("text", "Ünïcode\nand lines")
    writer.add_array("texts", [f"token{index}" for index in range(3000)])
    writer.add_array("nested", [[1, 2], [3, 4]])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert copy(source, tmp_path / "out.gguf").read_bytes() == source.read_bytes()


def test_empty_texts_and_arrays_are_copied_too(tmp_path: Path) -> None:
    source = tmp_path / "in.gguf"
    source.write_bytes(gguf_bytes({"empty": "", "none": [], "after": 7}))
    assert copy(source, tmp_path / "out.gguf").read_bytes() == source.read_bytes()


def test_changed_and_new_keys_are_read_back_by_the_gguf_package(tmp_path: Path) -> None:
    source = write_model(tmp_path / "in.gguf")
    metadata = copied_metadata(source, read_header(source))
    metadata |= {"llama.block_count": uint32(7), "new.text": text("Größe"), "new.number": float32(0.5)}
    write_gguf(tmp_path / "out.gguf", metadata, [])
    fields = gguf.GGUFReader(tmp_path / "out.gguf").fields
    assert [fields[key].contents() for key in ("llama.block_count", "new.text", "new.number")] == [7, "Größe", 0.5]
    assert list(metadata)[:3] == ["general.architecture", "llama.block_count", "llama.embedding_length"]


@pytest.mark.parametrize(("element", "layout"), [(4, "I"), (5, "i"), (6, "f"), (7, "?"), (10, "Q")])
def test_elements_of_an_array_are_picked_at_their_own_size(element: int, layout: str) -> None:
    array = struct.pack(f"<IIQ4{layout}", 9, element, 4, 1, 0, 1, 0)
    assert picked(array, [0, 3]) == struct.pack(f"<IIQ2{layout}", 9, element, 2, 1, 0)


def test_a_large_tensor_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    source = tmp_path / "in.gguf"
    source.write_bytes(gguf_bytes({}, {"w": ((1000, 16_000), 0, 0)}, data=bytes(64_000_000)))
    shares: list[float] = []
    tracemalloc.start()
    copy(source, tmp_path / "out.gguf", on_share=shares.append)
    rows = sum(len(block) for block in value_blocks(source, read_header(source).tensors[0]))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 16_000
    assert peak_bytes < 20_000_000
    assert shares == sorted(shares)
    assert shares[-1] == 1


def failing_tensor(error: Exception) -> NewTensor:
    def content() -> Iterator[bytes]:
        yield bytes(8)
        raise error

    return NewTensor(name="w", dimensions=(4,), kind=0, content=content)


def test_a_failure_leaves_nothing_and_keeps_an_older_file(tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    out.write_bytes(b"older")
    with pytest.raises(OSError, match="disk"):
        write_gguf(out, {}, [failing_tensor(OSError("disk"))])
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]
    assert out.read_bytes() == b"older"


def test_a_cancelled_copy_leaves_nothing(tmp_path: Path) -> None:
    source = write_model(tmp_path / "in.gguf")
    answers = iter([False, False, True])
    with pytest.raises(FetchCancelled):
        copy(source, tmp_path / "out.gguf", cancelled=lambda: next(answers))
    assert [path.name for path in tmp_path.iterdir()] == ["in.gguf"]


def test_content_of_another_size_than_announced_is_refused(tmp_path: Path) -> None:
    tensor = NewTensor(name="w", dimensions=(4,), kind=0, content=lambda: [bytes(12)])
    with pytest.raises(GGUFError, match="tensor 'w' came out with 12 bytes"):
        write_gguf(tmp_path / "out.gguf", {}, [tensor])


def test_a_source_that_became_shorter_is_said(tmp_path: Path) -> None:
    source = write_model(tmp_path / "in.gguf")
    last = read_header(source).tensors[-1]
    source.write_bytes(source.read_bytes()[: last.position])
    with pytest.raises(GGUFError, match="became shorter"):
        list(copied_tensor(source, last).content())


@pytest.mark.parametrize(
    "kind", [kind for kind in GGMLQuantizationType if kind.name in "F32 F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0".split()]
)
def test_values_come_in_blocks_of_rows_as_the_gguf_package_has_them(
    tmp_path: Path, kind: GGMLQuantizationType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.gguf.write._BLOCK_ELEMENTS", 7 * 64)
    source = write_model(tmp_path / "in.gguf", kind=kind, layers=1)
    for tensor in read_header(source).tensors:
        blocks = list(value_blocks(source, tensor))
        reference = next(one for one in gguf.GGUFReader(source).tensors if one.name == tensor.name)
        expected = gguf.quants.dequantize(reference.data, reference.tensor_type)
        assert np.array_equal(np.concatenate(blocks).reshape(expected.shape), expected)
        assert all(len(block) == 7 for block in blocks[:-1])


@pytest.mark.parametrize(
    ("kind", "columns", "message"),
    [(26, 32, "type 26, which cannot be dequantized"), (8, 48, "rows of 48 weights; its type needs multiples of 32")],
)
def test_values_that_cannot_be_had_are_refused(tmp_path: Path, kind: int, columns: int, message: str) -> None:
    source = tmp_path / "in.gguf"
    source.write_bytes(random.Random(0).randbytes(4096))
    tensor = TensorInfo(name="w", dimensions=(columns, 2), kind=kind, position=0, size_bytes=256)
    with pytest.raises(GGUFError, match=message):
        list(value_blocks(source, tensor))
