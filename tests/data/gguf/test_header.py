import random
import struct
import time
import tracemalloc
from pathlib import Path

import pytest

from data.gguf.header import GGUFError, LongArray, TensorInfo, read_header
from data.gguf.types import BLOCK_SIZES
from tests.gguf_bytes import LLAMA, gguf_bytes, model_bytes


def write(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    return path


def test_reads_what_a_model_says_of_itself(tmp_path: Path) -> None:
    content = gguf_bytes(LLAMA, {"a": ((64, 2), 8, 0), "b": ((5,), 0, 160)}, data=bytes(180))
    header = read_header(write(tmp_path, content))
    assert (header.architecture, header.name, header.context_length) == ("llama", "Tiny", 8192)
    assert header.chat_template == "{{ messages }}"
    assert (header.tensor_count, header.tensor_elements, header.tensor_bytes) == (2, 133, 136 + 20)
    assert header.expected_file_size == header.file_size == len(content)


def test_says_where_each_key_and_tensor_lies(tmp_path: Path) -> None:
    content = gguf_bytes({"a": "text", "b": 7}, {"w": ((32, 2), 8, 0), "v": ((5,), 0, 96)}, data=bytes(128))
    header = read_header(write(tmp_path, content))
    assert [content[start:end][8:9] for start, end in header.spans.values()] == [b"a", b"b"]
    assert header.spans["a"][1] == header.spans["b"][0] == 24 + 8 + 1 + 4 + 8 + 4
    start = len(content) - 128
    assert header.tensors == (
        TensorInfo(name="w", dimensions=(32, 2), kind=8, position=start, size_bytes=68),
        TensorInfo(name="v", dimensions=(5,), kind=0, position=start + 96, size_bytes=20),
    )


def test_kv_cache_of_smollm2_takes_23040_bytes_a_token(tmp_path: Path) -> None:
    # 30 layers, 3 KV heads of 64, keys and values, 2 bytes each.
    assert read_header(write(tmp_path, gguf_bytes(LLAMA))).kv_bytes_per_token == 30 * 3 * 64 * 2 * 2


def test_kv_cache_follows_per_layer_heads_and_explicit_head_sizes(tmp_path: Path) -> None:
    metadata = LLAMA | {
        "llama.block_count": 2,
        "llama.attention.head_count_kv": [4, 1],
        "llama.attention.key_length": 128,
        "llama.attention.value_length": 96,
    }
    assert read_header(write(tmp_path, gguf_bytes(metadata))).kv_bytes_per_token == 2 * (4 + 1) * (128 + 96)


@pytest.mark.parametrize("heads", [[4], [-1, 2], "three", 0.5])
def test_kv_cache_is_unknown_where_the_heads_make_no_sense(tmp_path: Path, heads: list[int] | str | float) -> None:
    metadata = LLAMA | {"llama.block_count": 2, "llama.attention.head_count_kv": heads}
    assert read_header(write(tmp_path, gguf_bytes(metadata))).kv_bytes_per_token is None


def test_long_arrays_are_walked_over_unless_they_are_asked_for(tmp_path: Path) -> None:
    tokens = [f"token{index}" for index in range(3000)]
    path = write(tmp_path, gguf_bytes({**LLAMA, "tokenizer.ggml.tokens": tokens, "after": 7}))
    header = read_header(path)
    assert header.metadata["tokenizer.ggml.tokens"] == LongArray(length=3000)
    assert header.metadata["after"] == 7
    assert header.vocabulary_size == 3000
    assert read_header(path, keep=["tokenizer.ggml.tokens"]).metadata["tokenizer.ggml.tokens"] == tuple(tokens)


def test_a_128k_vocabulary_with_its_merges_takes_under_0_3_seconds(tmp_path: Path) -> None:
    tokens = [f"Ġtoken{index}" for index in range(128_256)]
    merges = [f"Ġt oken{index}" for index in range(280_000)]
    path = write(tmp_path, gguf_bytes({"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": merges}))
    seconds = []
    for _ in range(5):
        start = time.process_time()
        read_header(path)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.3


def short_arrays(count: int, elements: int) -> bytes:
    """One array of so many arrays of bytes, each in an array of its own key."""
    inner = struct.pack("<IQ", 0, elements) + bytes(elements)
    pairs = b"".join(struct.pack("<Q6sIIQ", 6, b"%06d" % number, 9, 9, 1000) + inner * 1000 for number in range(count))
    return b"GGUF" + struct.pack("<IQQ", 3, 0, count) + pairs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (short_arrays(2_000, 50), "more than 200,000 values"),
        (short_arrays(2_000, 0), "more than 200,000 values"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 5_000_000) + bytes(65_000_000), "more than 200,000 values"),
        (
            b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 12_000_000) + bytes(8 * 12_000_000),
            "more than 4,000,000 texts",
        ),
    ],
    ids=["short arrays", "empty arrays", "pairs", "empty texts"],
)
def test_a_header_of_a_hundred_megabytes_is_refused_soon(tmp_path: Path, content: bytes, message: str) -> None:
    path = write(tmp_path, content)
    started = time.process_time()
    with pytest.raises(GGUFError, match=message):
        read_header(path)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>", "not a GGUF file .a web page; download the file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file .a pointer of Git LFS; `git lfs pull` gets"),
        (b"", "^not a GGUF file$"),
        (b"root:x:0:0:root", "^not a GGUF file$"),
        (gguf_bytes(LLAMA, version=1), "version 1 is not supported"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
        (gguf_bytes(LLAMA, {"w": ((1000,), 0, 0)}, data=bytes(3999)), "truncated: its header promises"),
        (gguf_bytes({}, {"w": ((2**62, 2**62), 0, 0)}), "truncated: its header promises"),
        (gguf_bytes({}, {"w": ((1,), 99, 0)}, data=bytes(4)), "type 99"),
        (gguf_bytes({}, {"w": ((), 0, 0)}, data=bytes(4)), "0 dimensions"),
        (gguf_bytes({"general.alignment": 3}), "power of two"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "do not fit"),
        (b"GGUF" + struct.pack("<IQQ", 3, 70_000, 0) + bytes(24 * 70_000), "70,000 tensors; no known model has more"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", 2**63) + bytes(64), "cannot be true"),
        (b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 2**61) + bytes(64), "does not fit"),
        (b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 77) + bytes(64), "unknown type 77"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(GGUFError, match=message) as caught:
        read_header(write(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_every_truncation_is_an_error_of_its_own_kind(tmp_path: Path) -> None:
    content = gguf_bytes(
        LLAMA | {"tokenizer.ggml.tokens": [f"t{index}" for index in range(1500)]}, {"w": ((8,), 0, 0)}, data=bytes(32)
    )
    for size in [*range(700), *range(700, len(content), 97), len(content) - 1]:
        with pytest.raises(GGUFError):
            read_header(write(tmp_path, content[:size]))


@pytest.mark.slow
def test_flipped_bytes_raise_nothing_else_and_allocate_little(tmp_path: Path) -> None:
    tokens = [f"t{index}" for index in range(1500)]
    original = gguf_bytes(LLAMA | {"tokenizer.ggml.tokens": tokens}, {"w": ((8,), 0, 0)}, data=bytes(32))
    rng = random.Random(0)
    tracemalloc.start()
    for _ in range(1500):
        content = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            near_start = rng.random() < 0.7
            content[rng.randrange(600 if near_start else len(content))] = rng.randrange(256)
        try:
            header = read_header(write(tmp_path, bytes(content)))
        except GGUFError:
            continue
        assert header.kv_bytes_per_token is None or header.kv_bytes_per_token >= 0
        assert header.context_length is None or header.context_length > 0
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 5_000_000


def test_a_header_that_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.gguf.cursor.MAX_HEADER_BYTES", 2**20)
    path = write(tmp_path, b"GGUF" + struct.pack("<IQQQ1sIIQ", 3, 0, 1, 1, b"k", 9, 8, 3_000_000))
    with path.open("ab") as file:
        file.truncate(2**30)  # sparse: takes no disk
    with pytest.raises(GGUFError, match="larger than 1,048,576 bytes"):
        read_header(path)


def test_block_sizes_agree_with_the_gguf_package() -> None:
    from gguf.constants import GGML_QUANT_SIZES

    assert {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()} == {
        kind: sizes for kind, sizes in BLOCK_SIZES.items() if kind != 42
    }


def test_reads_what_the_gguf_package_writes(tmp_path: Path) -> None:
    import gguf
    import numpy as np

    path = tmp_path / "written.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(3)
    writer.add_token_list(["a", "b"])
    writer.add_tensor("x", np.zeros((4, 32), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(path)
    assert (header.block_count, header.vocabulary_size, header.tensor_bytes) == (3, 2, 256)


def test_the_model_maker_of_these_tests_makes_readable_models(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, model_bytes(8000))).tensor_bytes == 8000


@pytest.mark.slow
def test_the_embedded_model_is_understood(embedded_model: Path) -> None:
    header = read_header(embedded_model)
    assert (header.vocabulary_size, header.kv_bytes_per_token) == (49_152, 23_040)
    assert header.expected_file_size == header.file_size == 98_362_432
