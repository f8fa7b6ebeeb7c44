from pathlib import Path

import numpy as np
import pytest

from benchmarks.shapes import main
from data.gguf.header import read_header
from data.gguf.rope import llama3_rope_factors
from data.gguf.shapes import SHAPES, matrices, write_f16
from tests.gguf_bytes import gguf_bytes, word_tokenizer

TINY = SHAPES["tiny"]


@pytest.mark.parametrize(("name", "parameters"), [("1b", 1_235_814_400), ("3b", 3_212_749_824)])
def test_shapes_have_the_published_number_of_parameters(name: str, parameters: int) -> None:
    # As counted on the model cards of meta-llama/Llama-3.2-1B (1.24B) and -3B (3.21B), norms included.
    shape = SHAPES[name]
    weights = sum(rows * columns for _, rows, columns in matrices(shape, 128_256))
    assert weights + shape.hidden * (2 * shape.layers + 1) == parameters


def test_the_kv_cache_of_the_1b_shape_takes_32_kib_a_token() -> None:
    shape = SHAPES["1b"]
    assert shape.layers * 2 * shape.kv_heads * shape.head_dim * 2 == 32 * 1024


def test_a_tiny_shape_is_complete_and_describes_itself(tmp_path: Path) -> None:
    out = tmp_path / "tiny.gguf"
    shares: list[float] = []
    write_f16(TINY, out, word_tokenizer(tmp_path / "words.gguf"), name="tiny", on_share=shares.append)
    header = read_header(out)
    assert (header.architecture, header.block_count, header.vocabulary_size) == ("llama", 2, 259)
    assert header.kv_bytes_per_token == 2 * 2 * 2 * 64 * 2
    assert header.tensor_count == 1 + 2 * 7 + 2 * 2 + 1
    assert header.chat_template == "{{ messages[0]['content'] }}"
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    words = word_tokenizer(tmp_path / "words.gguf")
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file, seed in zip(files, (1, 1, 2)):
        write_f16(TINY, file, words, name="tiny", seed=seed)
    a, b, c = (file.read_bytes() for file in files)
    assert a == b
    assert a != c


def test_rope_factors_leave_high_frequencies_and_stretch_low_ones() -> None:
    factors = llama3_rope_factors(64)
    assert factors.shape == (32,)
    assert factors[0] == 1
    assert factors[-1] == 32
    assert (np.diff(factors) >= 0).all()


def test_a_full_disk_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10**9})())
    words = str(word_tokenizer(tmp_path / "words.gguf"))
    assert main(["3b", str(tmp_path / "out.gguf"), "--tokenizer", words]) == 1
    assert "error: disk full: the shape 3b needs" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["words.gguf"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"nothing", "not a GGUF file"), (gguf_bytes({"general.architecture": "llama"}), "a gpt2 tokenizer is needed")],
)
def test_a_file_without_a_tokenizer_is_refused(
    tmp_path: Path, content: bytes, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tmp_path / "words.gguf"
    words.write_bytes(content)
    assert main(["tiny", str(tmp_path / "out.gguf"), "--tokenizer", str(words)]) == 1
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["words.gguf"]


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tiny", str(tmp_path / "none" / "out.gguf")]) == 1
    assert f"error: {tmp_path / 'none'}: no such directory" in capsys.readouterr().err


def test_a_failed_quantization_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = word_tokenizer(tmp_path / "words.gguf")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))  # no library lies there
    assert main(["tiny", str(tmp_path / "out.gguf"), "--tokenizer", str(words)]) == 1
    assert "error: could not quantize" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["words.gguf"]


@pytest.mark.slow
def test_llama_cpp_loads_a_tiny_shape_made_by_the_command(tmp_path: Path, embedded_model: Path) -> None:
    from data.llama_library import use_library

    out = tmp_path / "tiny.gguf"
    assert main(["tiny", str(out), "--quant", "q4_k_m"]) == 0
    use_library()
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(str(out).encode(), llama_cpp.llama_model_default_params())
    assert model
    assert llama_cpp.llama_model_n_layer(model) == 2
    assert llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model)) == 49_152
    llama_cpp.llama_model_free(model)
