import re
from pathlib import Path

import pytest

from benchmarks.engine.contract import EngineError, LoadOptions
from tests.gguf_bytes import LLAMA, gguf_bytes

pytestmark = pytest.mark.slow


def test_special_tokens_are_those_of_the_file_and_not_the_librarys_defaults() -> None:
    from benchmarks.engine.native.prompt_tokens import special_ids

    named = {"tokenizer.ggml.bos_token_id": 1, "tokenizer.ggml.eos_token_id": 7, "tokenizer.ggml.padding_token_id": 99}
    assert special_ids({"tokenizer.ggml.model": "gpt2", **named}, 50) == {"bos_token": 1, "eos_token": 7}
    assert special_ids({"tokenizer.ggml.model": "gpt2"}, 50) == {}
    assert special_ids({"tokenizer.ggml.model": "llama"}, 50) == {"bos_token": 1, "eos_token": 2, "unk_token": 0}


@pytest.mark.parametrize("kind", [None, "none", "no_vocab"])
def test_a_file_without_a_vocabulary_is_refused_before_it_is_loaded(tmp_path: Path, kind: str | None) -> None:
    from benchmarks.engine.native.engine import LlamaEngine

    metadata = {key: value for key, value in {**LLAMA, "tokenizer.ggml.model": kind}.items() if value}
    (tmp_path / "bare.gguf").write_bytes(gguf_bytes(metadata, {"w": ((8,), 0, 0)}, data=bytes(32)))
    with pytest.raises(EngineError, match=rf"bare\.gguf: the file has no vocabulary .*is {kind or 'missing'}"):
        LlamaEngine(tmp_path / "bare.gguf", LoadOptions())


def test_a_marker_that_a_file_calls_user_defined_stays_text_where_it_is_typed() -> None:
    from benchmarks.engine.native.binding import _MARKER, NativeModel

    assert all(map(_MARKER.fullmatch, ("<|USER|>", "<｜User｜>")))
    assert not any(map(_MARKER.fullmatch, ("<think>", "<|a b|>", "<tool_call>")))
    model = NativeModel.__new__(NativeModel)
    model._inside_markers = re.compile(r"(?<=<)(?=\|USER\|>|\|BOT\|>)")  # what `_inside_markers` makes of two markers
    model._tokenize = lambda text: [len(text)]  # type: ignore[method-assign, assignment]
    assert model.tokenize("a<|USER|>b <|x|>") == [2, 14]
