import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from data.gguf.header import read_header
from tests.training.tiny_models import SPECIAL, TINY_ARCHITECTURES, write_tiny
from training.checkpoints.tokenizer import (
    CONTROL,
    NORMAL,
    SPLITTING,
    UNUSED,
    USER_DEFINED,
    gguf_tokenizer,
    set_padding,
    splitting_name,
    tokenizer_from_gguf,
)
from training.config import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TEXTS = (
    "What is 12345 + 678?",
    "  Two  spaces,\ttabs\r\n\n\nand lines  \n",
    "don't DON'T it's we'LL naïve “quotes” — 你好 🙂🙂",
    "def f(x):\n    return x ** 2  # comment",
    "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>",
    "<|im_start|>user\nHi<|im_end|><|endoftext|> <tool_call>",
    "e\u0301 A\u030a \u1100\u1161 \u2126 decomposed, ½ ² Ⅳ ٣ \u00a0\u3000 \u200b\ufeff \x1c\x85",
    "'LL 'S I'Ve  \u2019s\r\r\n \n\t!!\n\n  x__y--z...\r\n",
    "🏳️‍🌈👩🏽‍🚀 \u0e20\u0e32\u0e29\u0e32 \u0939\u093f\u0928\u094d\u0926\u0940 عربي 𝒳𝟙",
    "",
)


@pytest.fixture
def directory(tokenizer: "PreTrainedTokenizerFast", tmp_path: Path) -> Path:
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    return tmp_path / "tokenizer"


def content(directory: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((directory / "tokenizer.json").read_text())
    return found


def test_the_splitting_rule_is_recognized_whatever_it_says_of_offsets(directory: Path) -> None:
    found = content(directory)
    assert splitting_name(found) == "llama-bpe"
    for part in found["pre_tokenizer"]["pretokenizers"]:
        part.pop("trim_offsets", None)
    assert splitting_name(found) == "llama-bpe"
    for name, (rule, _) in SPLITTING.items():
        assert splitting_name({**found, "pre_tokenizer": rule}) == name


def test_qwens_splitting_rule_is_transformers_own() -> None:
    from transformers import Qwen2Tokenizer

    theirs = json.loads(Qwen2Tokenizer(vocab={"a": 0}, merges=[]).backend_tokenizer.to_str())
    assert splitting_name(theirs) == "qwen2"
    assert theirs["normalizer"] == {"type": "NFC"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pre_tokenizer": {"type": "Whitespace"}}, "splitting rule is not known; known: llama-bpe, qwen2, smollm"),
        ({"pre_tokenizer": None}, "splitting rule is not known"),
        ({"model": {"type": "Unigram"}}, "not byte-level BPE"),
        ({"normalizer": {"type": "NFKC"}}, "not byte-level BPE"),
    ],
)
def test_another_kind_of_tokenizer_is_refused(directory: Path, change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        splitting_name({**content(directory), **change})


def test_the_metadata_names_every_token_and_its_kind(directory: Path, tokenizer: "PreTrainedTokenizerFast") -> None:
    size = len(tokenizer) + 8
    metadata = gguf_tokenizer(directory, size)
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    assert tokens[: len(tokenizer)] == tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    assert len(tokens) == len(types) == size
    assert {token for token, kind in zip(tokens, types) if kind == CONTROL} == set(SPECIAL)
    assert types[-8:] == [UNUSED] * 8
    assert set(types[len(SPECIAL) : -8]) == {NORMAL}
    roles = {role: metadata[f"tokenizer.ggml.{role}_token_id"] for role in ("bos", "eos", "padding")}
    assert roles == {"bos": 0, "eos": 5, "padding": 2}
    assert metadata["tokenizer.ggml.add_bos_token"] is False
    assert metadata["tokenizer.chat_template"] == tokenizer.chat_template


def test_a_tokenizer_that_adds_a_beginning_says_so(directory: Path) -> None:
    path = directory / "tokenizer.json"
    changed = content(directory)
    changed["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": SPECIAL[0], "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {SPECIAL[0]: {"id": SPECIAL[0], "ids": [0], "tokens": [SPECIAL[0]]}},
    }
    path.write_text(json.dumps(changed))
    assert gguf_tokenizer(directory, 400)["tokenizer.ggml.add_bos_token"] is True


def test_more_tokens_than_rows_of_the_embedding_are_refused(directory: Path) -> None:
    with pytest.raises(TrainingError, match=r"has id \d+; the embedding has 100 rows"):
        gguf_tokenizer(directory, 100)


def test_a_tokenizer_comes_back_from_metadata_as_it_was(directory: Path, tokenizer: "PreTrainedTokenizerFast") -> None:
    again = tokenizer_from_gguf(gguf_tokenizer(directory, len(tokenizer)))
    for text in TEXTS:
        assert again(text)["input_ids"] == tokenizer(text)["input_ids"]
        assert again.decode(again(text)["input_ids"]) == text
    assert again.special_tokens_map == tokenizer.special_tokens_map
    assert again.chat_template == tokenizer.chat_template


def test_tokens_that_a_user_added_stay_whole(directory: Path, tokenizer: "PreTrainedTokenizerFast") -> None:
    tokenizer = tokenizer.from_pretrained(directory)
    tokenizer.add_tokens(["<tool>"])
    tokenizer.save_pretrained(directory)
    metadata = gguf_tokenizer(directory, len(tokenizer))
    assert metadata["tokenizer.ggml.token_type"][-1] == USER_DEFINED
    again = tokenizer_from_gguf(metadata)
    assert again("a<tool>b")["input_ids"] == tokenizer("a<tool>b")["input_ids"]
    assert len(tokenizer) - 1 in again("a<tool>b")["input_ids"]


@pytest.mark.parametrize("change", [{"tokenizer.ggml.model": "llama"}, {"tokenizer.ggml.pre": "gpt-4o"}])
def test_metadata_of_another_tokenizer_is_refused(directory: Path, change: Mapping[str, str]) -> None:
    with pytest.raises(TrainingError, match="cannot be read; known: llama-bpe, qwen2, smollm"):
        tokenizer_from_gguf({**gguf_tokenizer(directory, 400), **change})


def test_a_vocabulary_without_a_token_for_padding_is_refused() -> None:
    class Bare:
        pad_token = None
        eos_token = "<|eot_id|>"

        def get_vocab(self) -> dict[str, int]:
            return {"<|eot_id|>": 0}

    with pytest.raises(TrainingError, match="no padding token; looked for "):
        set_padding(Bare())  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", TINY_ARCHITECTURES)
def test_the_tokenizer_of_a_gguf_reads_any_text_as_llama_cpp_does(tmp_path: Path, architecture: str) -> None:
    from training.checkpoints.write_gguf import write_gguf

    base = write_tiny(tmp_path / "base", architecture)
    write_gguf(base, tmp_path / "tiny.gguf", name="tiny", tokenizer=base)
    _reads_the_same(tmp_path / "tiny.gguf")


@pytest.mark.slow
def test_the_embedded_models_tokenizer_reads_as_llama_cpp_does(embedded_model: Path) -> None:
    _reads_the_same(embedded_model)


def _reads_the_same(model: Path) -> None:
    from benchmarks.engine.contract import LoadOptions, Request
    from benchmarks.engine.worker_engine import WorkerEngine
    from data.message import Message
    from training.parity.gate import CONVERSATIONS
    from training.rows.examples import prompt_ids

    arrays = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges")
    tokenizer = tokenizer_from_gguf(read_header(model, keep=arrays).metadata)
    asked: list[list[dict[str, str]]] = [list(turns) for turns in CONVERSATIONS]
    asked += [[{"role": "user", "content": text}] for text in TEXTS if text]
    engine = WorkerEngine(model, LoadOptions(context_tokens=512))
    try:
        for turns in asked:
            messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in turns)  # type: ignore[arg-type]
            assert engine.tokenize(Request(messages=messages)) == prompt_ids(turns, tokenizer)
    finally:
        engine.close()
