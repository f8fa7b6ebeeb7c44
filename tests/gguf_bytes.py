"""Small GGUF files for tests, packed by hand so that the parser is not tested against its own library."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

Value = str | int | float | bool | Sequence[str] | Sequence[int]


def gguf_bytes(
    metadata: Mapping[str, Value] | None = None,
    tensors: Mapping[str, tuple[tuple[int, ...], int, int]] | None = None,
    *,
    version: int = 3,
    data: bytes = b"",
) -> bytes:
    """A GGUF with this metadata; `tensors` maps a name to dimensions, type and offset, and `data` follows."""
    metadata, tensors = metadata or {}, tensors or {}
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += _text(key) + _value(value)
    for name, (dimensions, kind, offset) in tensors.items():
        out += _text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, kind, offset)
    return out + b"\0" * (-len(out) % 32) + data


LLAMA: dict[str, Value] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "llama.block_count": 30,
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
    "llama.attention.head_count": 9,
    "llama.attention.head_count_kv": 3,
    "tokenizer.ggml.model": "llama",
    "tokenizer.ggml.tokens": ["<unk>", "<s>", "</s>"],
    "tokenizer.chat_template": "{{ messages }}",
}


def model_bytes(size: int = 4096) -> bytes:
    """A readable GGUF with one F32 tensor of about `size` bytes, different for each size."""
    weights = size // 4
    return gguf_bytes(LLAMA, {"w": ((weights,), 0, 0)}, data=struct.pack("<I", size) * weights)


def word_tokenizer(path: Path) -> Path:
    """A GGUF that holds only a little gpt2 tokenizer: 256 byte tokens and two special ones."""
    tokens = ["<unk>", "<|im_start|>", "<|im_end|>", *(chr(0x100 + code) for code in range(256))]
    path.write_bytes(
        gguf_bytes(
            {
                "general.architecture": "llama",
                "tokenizer.ggml.model": "gpt2",
                "tokenizer.ggml.pre": "smollm",
                "tokenizer.ggml.tokens": tokens,
                "tokenizer.ggml.token_type": [3, 3, 3] + [1] * 256,
                "tokenizer.ggml.merges": ["a b"],
                "tokenizer.ggml.bos_token_id": 1,
                "tokenizer.ggml.eos_token_id": 2,
                "tokenizer.chat_template": "{{ messages[0]['content'] }}",
            }
        )
    )
    return path


def _text(text: str) -> bytes:
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _value(value: Value) -> bytes:
    match value:
        case bool():
            return struct.pack("<I?", 7, value)
        case int():
            return struct.pack("<II", 4, value)
        case float():
            return struct.pack("<If", 6, value)
        case str():
            return struct.pack("<I", 8) + _text(value)
    if value and isinstance(value[0], str):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(str(item)) for item in value)
    return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)


def split_model(
    folder: Path, *, count: int = 3, name: str = "tiny", size: int = 40_000, says: Mapping[str, Value] | None = None
) -> list[Path]:
    """The parts of a split model, each with one tensor; `says` overrides what the headers say of the set."""
    paths = []
    for number in range(count):
        split: dict[str, Value] = {"split.no": number, "split.count": count, "split.tensors.count": count}
        metadata = {**(LLAMA if number == 0 else {}), **split, **(says or {})}
        data = struct.pack("<I", size + number) * (size // 4)
        paths.append(folder / f"{name}-{number + 1:05}-of-{count:05}.gguf")
        paths[-1].write_bytes(gguf_bytes(metadata, {f"w{number}": ((size // 4,), 0, 0)}, data=data))
    return paths
