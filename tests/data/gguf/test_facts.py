"""What is read in a header: what the model is, and that a file is no text generator."""

import os
from pathlib import Path

import pytest

from data.gguf.facts import facts_of, parameter_count, why_no_text
from data.gguf.header import GGUFError, GGUFHeader, read_header
from data.gguf.types import FILE_TYPES, QUANTIZATIONS
from tests.gguf_bytes import LLAMA, Value, gguf_bytes

WEIGHTS = {"token_embd.weight": ((64, 1000), 0, 0)}


def header(path: Path, tensors: dict | None = None, **metadata: Value | None) -> GGUFHeader:
    """Of a model of random words; names of keys are written with __ for a dot, and None leaves one out."""
    changed = {**LLAMA, **{key.replace("__", "."): value for key, value in metadata.items()}}
    kept = {key: value for key, value in changed.items() if value is not None}
    tensors = WEIGHTS if tensors is None else tensors
    (path / "m.gguf").write_bytes(gguf_bytes(kept, tensors, data=b"\0" * 4_000_000))
    return read_header(path / "m.gguf")


def test_a_text_generator_has_nothing_against_it(tmp_path: Path) -> None:
    assert why_no_text(header(tmp_path)) is None
    assert why_no_text(header(tmp_path, tokenizer__ggml__model="gpt2", tokenizer__ggml__pre="llama-bpe")) is None
    assert why_no_text(header(tmp_path, tokenizer__ggml__model="gpt2")) is None
    assert why_no_text(header(tmp_path, llama__pooling_type=0, llama__attention__causal=True)) is None


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"general__architecture": "bert"}, "reads text and writes none (general.architecture is bert)"),
        ({"general__architecture": "nomic-bert-moe"}, "architecture is nomic-bert-moe"),
        ({"general__architecture": "gemma-embedding"}, "reads text and writes none"),
        ({"general__architecture": "t5encoder"}, "reads text and writes none"),
        ({"llama__attention__causal": False}, "llama.attention.causal is false"),
        ({"llama__pooling_type": 3}, "llama.pooling_type is last"),
        ({"general__architecture": "t5"}, "an encoder-decoder (t5)"),
        ({"general__architecture": "clip"}, "the file is a projector"),
        ({"general__type": "mmproj"}, "the file is a projector"),
        ({"general__architecture": "flux"}, "the file is a model that makes pictures"),
        ({"general__type": "adapter"}, "the file is an adapter"),
        ({"adapter__type": "lora"}, "the file is an adapter"),
        ({"general__type": "imatrix"}, "an importance matrix"),
        ({"general__architecture": "controlvector"}, "a control vector"),
        ({"general__architecture": None}, "no general.architecture"),
        ({"general__architecture": 7}, "no general.architecture"),
        ({"tensors": {}}, "holds no weights (a vocabulary alone"),
        ({"tokenizer__ggml__model": None}, "no vocabulary (tokenizer.ggml.model is missing)"),
        ({"tokenizer__ggml__model": "no_vocab"}, "no vocabulary (tokenizer.ggml.model is no_vocab)"),
        ({"tokenizer__ggml__model": "none"}, "no vocabulary (tokenizer.ggml.model is none)"),
        ({"tokenizer__ggml__tokens": None}, "no vocabulary (tokenizer.ggml.tokens is missing)"),
        (
            {"tokenizer__ggml__model": "Llama"},
            "tokenizer is unknown to this llama.cpp (tokenizer.ggml.model is 'Llama')",
        ),
        (
            {"tokenizer__ggml__model": "gpt2", "tokenizer__ggml__pre": "next-year"},
            "tokenizer is unknown to this llama.cpp (tokenizer.ggml.pre is 'next-year')",
        ),
        ({"tokenizer__ggml__model": "x" * 5000}, "tokenizer is unknown"),
    ],
)
def test_what_writes_no_text_is_said_from_its_header(tmp_path: Path, metadata: dict, message: str) -> None:
    problem = why_no_text(header(tmp_path, **metadata)) or ""
    assert message in problem and "\n" not in problem and len(problem) < 300


def test_name_size_quantization_and_licence_are_the_metadatas(tmp_path: Path) -> None:
    facts = facts_of(
        header(
            tmp_path,
            general__name="Some\n Model  1",
            general__size_label="1.2B",
            general__file_type=15,
            general__license="apache-2.0",
            general__base_model__0__name="Some Base",
        )
    )
    assert (facts.name, facts.base, facts.size) == ("Some Model 1", "Some Base", "1.2B")
    assert (facts.quantization, facts.licence) == ("q4_k_m", "apache-2.0")


def test_a_licence_without_an_id_goes_by_its_name(tmp_path: Path) -> None:
    named = header(tmp_path, general__license="other", general__license__name="llama3.2")
    assert facts_of(named).licence == "llama3.2"
    assert facts_of(header(tmp_path, general__license="other")).licence == "other"


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "f32"),
        (1024 + 15, "q4_k_m"),
        (24, "iq1_s"),
        (30, "iq4_xs"),
        (32, "bf16"),
        (38, "mxfp4"),
        (5, ""),
        ("15", ""),
    ],
)
def test_file_types_have_llama_cpps_names(tmp_path: Path, number: int, name: str) -> None:
    assert facts_of(header(tmp_path, general__file_type=number)).quantization == name


def test_what_can_be_made_is_named_as_what_is_read() -> None:
    assert {name: FILE_TYPES[number] for name, (number, _) in QUANTIZATIONS.items()} == {
        name: name for name in QUANTIZATIONS
    }


def test_a_size_is_what_people_say_or_else_counted(tmp_path: Path) -> None:
    assert facts_of(header(tmp_path, general__name="Qwen2.5-0.5B-Instruct")).size == "0.5B"
    assert facts_of(header(tmp_path, general__name="mixtral 8x7b v0.1")).size == "8x7B"
    assert facts_of(header(tmp_path, general__name="Model-v2b3")).size == "1M"  # 64,000 weights


def test_an_output_matrix_that_copies_the_embedding_is_not_counted_again(tmp_path: Path) -> None:
    body = {"blk.0.w": ((500,), 0, 0), **WEIGHTS}
    tied = {**body, "output.weight": ((64, 1000), 0, 0)}
    own = {**body, "output.weight": ((64, 900), 0, 0)}
    assert parameter_count(header(tmp_path, body)) == parameter_count(header(tmp_path, tied)) == 64_500
    assert parameter_count(header(tmp_path, own)) == 64_500 + 57_600


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    for path in (tmp_path, tmp_path / "pipe.gguf"):
        with pytest.raises(GGUFError, match="not a file, but a folder or a device"):
            read_header(path)
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    with pytest.raises(OSError, match="symbolic links"):
        read_header(tmp_path / "circle.gguf")


@pytest.mark.slow
def test_llama_cpp_itself_knows_the_file_types() -> None:
    from data.llama_library import use_library

    use_library()
    from llama_cpp import llama_cpp as c

    theirs = {name.removeprefix("LLAMA_FTYPE_"): number for name, number in vars(c).items() if "LLAMA_FTYPE_" in name}
    theirs = {name.removeprefix("ALL_").removeprefix("MOSTLY_").lower(): number for name, number in theirs.items()}
    assert theirs.pop("guessed") == 1024
    assert {number: name.removesuffix("_moe") for name, number in theirs.items()} == FILE_TYPES
