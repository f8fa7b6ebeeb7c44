"""Byte-level BPE tokenizers as transformers and as GGUF hold them.

llama.cpp knows a tokenizer's splitting rule by a name (`tokenizer.ggml.pre`), transformers by its regular expression.
A rule that is not in `SPLITTING` is refused: with a wrong one, a model reads other tokens than it was trained on.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import TrainingError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_NFC = {"type": "NFC"}
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5

_LLAMA3_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_QWEN2_PATTERN = _LLAMA3_PATTERN.replace(r"\p{N}{1,3}", r"\p{N}")  # digits one by one


def _byte_level(*, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _sequence(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(parts)}


def _split(pattern: str) -> dict[str, Any]:
    parts = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    return _sequence(parts, _byte_level(use_regex=False))


# By llama.cpp's name: the pre-tokenizer as tokenizer.json writes it, and whether a word of the vocabulary skips merges.
SPLITTING: Mapping[str, tuple[dict[str, Any], bool]] = {
    "llama-bpe": (_split(_LLAMA3_PATTERN), True),
    "qwen2": (_split(_QWEN2_PATTERN), False),
    "smollm": (_sequence({"type": "Digits", "individual_digits": True}, _byte_level(use_regex=True)), False),
}


def splitting_name(tokenizer_json: Mapping[str, Any]) -> str:
    """llama.cpp's name for a tokenizer.json's splitting rule.

    Raises:
        TrainingError: Not byte-level BPE, or a rule that is not known here.
    """
    # Qwen's own composes characters first (NFC). llama.cpp does not, and so do our readers not: see `examples`.
    if tokenizer_json.get("model", {}).get("type") != "BPE" or tokenizer_json.get("normalizer") not in (None, _NFC):
        raise TrainingError("the tokenizer is not byte-level BPE; only Llama-3's, SmolLM2's and Qwen's kind")
    for name, (rule, _) in SPLITTING.items():
        if _plain(tokenizer_json.get("pre_tokenizer")) == _plain(rule):
            return name
    raise TrainingError(f"the tokenizer's splitting rule is not known; known: {', '.join(SPLITTING)}")


def tokenizer_from_gguf(metadata: Mapping[str, Any]) -> "PreTrainedTokenizerFast":
    """The tokenizer of a GGUF's metadata, with its chat template and special tokens.

    Args:
        metadata: With the arrays `tokenizer.ggml.tokens`, `.token_type` and `.merges` kept.

    Raises:
        TrainingError: Another kind of tokenizer.
    """
    from tokenizers import AddedToken, Tokenizer
    from transformers import PreTrainedTokenizerFast

    pre = str(metadata.get("tokenizer.ggml.pre"))
    if metadata.get("tokenizer.ggml.model") != "gpt2" or pre not in SPLITTING:
        raise TrainingError(f"tokenizer {pre!r} cannot be read; known: {', '.join(SPLITTING)}")
    rule, ignore_merges = SPLITTING[pre]
    tokens, types = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    special = [token for token, kind in zip(tokens, types, strict=True) if kind == CONTROL]
    added = [token for token, kind in zip(tokens, types, strict=True) if kind == USER_DEFINED]
    content = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": rule,
        "decoder": _byte_level(use_regex=True),
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(tokens) if types[index] != UNUSED},
            "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
            "ignore_merges": ignore_merges,
        },
    }
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in added])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **_named_tokens(metadata)
    )
    fast.chat_template = metadata.get("tokenizer.chat_template")
    set_padding(fast)
    return fast


def _named_tokens(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The texts of special tokens, by transformers' names."""
    tokens = metadata["tokenizer.ggml.tokens"]
    return {
        f"{role}_token": tokens[metadata[key]]
        for role, key in (
            ("bos", "tokenizer.ggml.bos_token_id"),
            ("eos", "tokenizer.ggml.eos_token_id"),
            ("unk", "tokenizer.ggml.unknown_token_id"),
            ("pad", "tokenizer.ggml.padding_token_id"),
        )
        if key in metadata
    }


def set_padding(tokenizer: "PreTrainedTokenizerFast") -> None:
    """Choose a padding token that is not the end of a turn, or the model would never learn to end; adds none.

    Raises:
        TrainingError: The vocabulary has none to spare.
    """
    if tokenizer.pad_token is not None and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    vocabulary = tokenizer.get_vocab()
    candidates = ("<|finetune_right_pad_id|>", "<|endoftext|>", "<|end_of_text|>", "<pad>")
    for token in candidates:
        if token in vocabulary and token != tokenizer.eos_token:
            tokenizer.pad_token = token
            return
    raise TrainingError(f"the tokenizer has no padding token; looked for {', '.join(candidates)}")


def gguf_tokenizer(directory: Path, vocabulary_size: int) -> dict[str, Any]:
    """The `tokenizer.*` metadata of a GGUF for a checkpoint's tokenizer.

    Args:
        vocabulary_size: Rows of the embedding; missing tokens become unused ones.

    Raises:
        TrainingError: Another kind of tokenizer, or more tokens than rows.
    """
    from transformers import AutoTokenizer

    content = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(directory)
    words: dict[str, int] = content["model"]["vocab"]
    added = {entry["content"]: entry for entry in content["added_tokens"]}
    tokens = [f"[PAD{index}]" for index in range(vocabulary_size)]
    types = [UNUSED] * vocabulary_size
    for token, index in {**words, **{text: entry["id"] for text, entry in added.items()}}.items():
        if index >= vocabulary_size:
            raise TrainingError(f"token {token!r} has id {index}; the embedding has {vocabulary_size} rows")
        tokens[index] = token
        types[index] = NORMAL if token not in added else (CONTROL if added[token]["special"] else USER_DEFINED)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]]
    metadata: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": splitting_name(content),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.add_bos_token": tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id,
    }
    for role, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding")):
        if (index := getattr(tokenizer, f"{role}_token_id")) is not None:
            metadata[f"tokenizer.ggml.{key}_token_id"] = index
    if tokenizer.chat_template:
        metadata["tokenizer.chat_template"] = tokenizer.chat_template
    return metadata


def _plain(value: Any) -> Any:
    """Without the keys that only concern offsets."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "trim_offsets"}
    return [_plain(item) for item in value] if isinstance(value, list) else value
