from pathlib import Path

import pytest

from data.errors import ModelError
from data.gguf.header import read_header
from data.gguf.quantize import (
    QuantizeError,
    main,
    quantize,
    quantize_in_child,
    quantized_share,
    size_bound_bytes,
)
from data.gguf.types import QUANTIZATIONS
from data.progress import never_cancelled
from tests.gguf_bytes import model_bytes


def test_an_unknown_quantization_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match="unknown quantization 'q9'; known: f16, q8_0"):
        quantize(tmp_path / "in", tmp_path / "out", "q9")


def test_the_command_reports_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.gguf").write_bytes(b"no model")
    assert main([str(tmp_path / "in.gguf"), str(tmp_path / "out.gguf"), "q8_0"]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path / 'in.gguf'}: not a GGUF file\n"


def test_a_source_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(QuantizeError, match=r"none\.gguf: .*No such file"):
        quantize(tmp_path / "none.gguf", tmp_path / "out", "q8_0")


@pytest.mark.slow
def test_a_failure_of_llama_cpp_leaves_no_partial_file(tmp_path: Path) -> None:
    source, target = tmp_path / "in.gguf", tmp_path / "out.gguf"
    source.write_bytes(model_bytes())  # a readable header, but no model that llama.cpp knows
    with pytest.raises(QuantizeError, match=r"llama\.cpp could not write q8_0"):
        quantize(source, target, "q8_0")
    assert not target.exists()


@pytest.mark.slow
@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_every_quantization_is_readable_and_within_the_bound(tmp_path: Path, quantization: str) -> None:
    from data.gguf.shapes import SHAPES, write_f16
    from tests.gguf_bytes import word_tokenizer

    source, target = tmp_path / "in.gguf", tmp_path / "out.gguf"
    write_f16(SHAPES["tiny"], source, word_tokenizer(tmp_path / "words.gguf"), name="tiny")
    quantize(source, target, quantization)
    header = read_header(target)
    assert header.metadata["general.file_type"] == QUANTIZATIONS[quantization][0]
    assert header.file_size <= size_bound_bytes(source, quantization)


@pytest.mark.slow
def test_the_bound_holds_where_k_quants_fall_back(embedded_model: Path, tmp_path: Path) -> None:
    for quantization in ("q4_k_m", "q5_k_m", "q6_k"):
        quantize(embedded_model, tmp_path / "out.gguf", quantization)
        assert (tmp_path / "out.gguf").stat().st_size <= size_bound_bytes(embedded_model, quantization)


def test_the_share_is_read_from_llama_cpps_log() -> None:
    log = "load\n[   1/ 272] output_norm\n[  68/ 272] blk.1\n[ 69"
    assert quantized_share(log) == 0.25
    assert quantized_share("llama_model_quantize_impl: [x]\n") == 0.0


def test_a_broken_source_is_one_line_from_the_real_quantizer_process(tmp_path: Path) -> None:
    source, target = tmp_path / "in.gguf", tmp_path / "out.gguf"
    source.write_bytes(model_bytes()[:-1])
    with pytest.raises(ModelError, match=r"could not quantize in\.gguf to q8_0: .*truncated") as caught:
        quantize_in_child(source, target, "q8_0", cancelled=never_cancelled)
    assert "\n" not in str(caught.value)
    assert not target.exists()
