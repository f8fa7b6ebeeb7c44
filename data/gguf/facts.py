"""What a GGUF's metadata say of the model, and why one that can be read cannot write text."""

import math
import re
from dataclasses import dataclass

from data.gguf.header import GGUFHeader
from data.gguf.types import FILE_TYPES, GUESSED, NO_VOCABULARY, PRE_TOKENIZERS, TOKENIZERS

_KINDS = {
    "clip": "a projector: the part of another model that sees or hears",
    "controlvector": "a control vector for another model",
    "wavtokenizer-dec": "a decoder of sound",
    **dict.fromkeys(
        "flux sd1 sdxl sd3 aura hidream cosmos ltxv hyvid wan lumina2 qwen_image".split(), "a model that makes pictures"
    ),
}
_TYPES = {
    "adapter": "an adapter: the difference to another model",
    "mmproj": _KINDS["clip"],
    "imatrix": "an importance matrix, made for quantizing another model",
}
_ENCODERS = re.compile(r".*bert.*|t5encoder|gemma-embedding|llama-embed")
_POOLING = {1: "mean", 2: "cls", 3: "last", 4: "rank"}
_SIZE = re.compile(r"(?i)(?<![a-z0-9.])((?:\d+x)?\d+(?:\.\d+)?[bm])(?![a-z0-9])")
_MOST_CHARACTERS = 80


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What the metadata say; empty texts where they say nothing.

    Attributes:
        base: The model that it was made from.
        size: Its parameters as people say it, such as "135M" or "1B"; counted where nothing says it.
        quantization: As llama.cpp names it, lower case.
    """

    name: str
    base: str
    size: str
    quantization: str
    licence: str


def facts_of(header: GGUFHeader) -> ModelFacts:
    """What the header says of its model, each text in one line of at most 80 characters."""
    name, licence = _line(header, "general.name"), _line(header, "general.license")
    if licence.lower() in ("", "other"):
        licence = _line(header, "general.license.name") or licence
    label = _line(header, "general.size_label")
    return ModelFacts(
        name=name,
        base=_line(header, "general.base_model.0.name"),
        size=label or _size_in(name) or parameters_text(parameter_count(header)),
        quantization=quantization_of(header),
        licence=licence,
    )


def quantization_of(header: GGUFHeader) -> str:
    """Name of the file type that the metadata state; empty where they state none, or one that is not known."""
    number = header.metadata.get("general.file_type")
    return FILE_TYPES.get(number & ~GUESSED, "") if isinstance(number, int) else ""


def parameter_count(header: GGUFHeader) -> int:
    """Weights of the model. An output matrix of the embedding's shape is not counted: in small models, where it weighs
    most, it is a copy of the embedding, of which quantizers write both."""
    shapes = {tensor.name: tensor.dimensions for tensor in header.tensors}
    output = shapes.get("output.weight")
    copied = math.prod(output) if output and output == shapes.get("token_embd.weight") else 0
    return header.tensor_elements - copied


def parameters_text(parameters: int) -> str:
    """Such as "1.2B" or "135M"."""
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{max(1, round(parameters / 1e6))}M"


def why_no_text(header: GGUFHeader) -> str | None:
    """Why the file cannot write text, in one line with a way out; None where nothing is against it."""
    return _other_kind(header) or _unreadable_text(header)


def _other_kind(header: GGUFHeader) -> str | None:
    architecture, kind = header.architecture[:_MOST_CHARACTERS], header.text("general.type")
    if not architecture and not kind:
        return "the file has no general.architecture, so nothing says what it is; convert the model again"
    if "adapter.type" in header.metadata and not kind:
        kind = "adapter"
    if what := _TYPES.get(kind) or _KINDS.get(architecture):
        return f"the file is {what}; give the GGUF of a model that writes text"
    if architecture == "t5":
        return "the file is an encoder-decoder (t5), which is not supported; give a model that only decodes"
    if why := _reads_only(header, architecture):
        return f"the file reads text and writes none ({why}), as models for embeddings do; give a text generator"
    if not header.tensors:
        return "the file holds no weights (a vocabulary alone, or nothing); give the model's own GGUF"
    return None


def _reads_only(header: GGUFHeader, architecture: str) -> str | None:
    if _ENCODERS.fullmatch(architecture):
        return f"general.architecture is {architecture}"
    if header.metadata.get(f"{architecture}.attention.causal") is False:
        return f"{architecture}.attention.causal is false"
    pooling = header.metadata.get(f"{architecture}.pooling_type")
    return f"{architecture}.pooling_type is {_POOLING[pooling]}" if pooling in _POOLING else None


def _unreadable_text(header: GGUFHeader) -> str | None:
    kind, pre = (header.text(f"tokenizer.ggml.{key}")[:_MOST_CHARACTERS] for key in ("model", "pre"))
    if not kind or kind in NO_VOCABULARY or "tokenizer.ggml.tokens" not in header.metadata:
        why = f"model is {kind or 'missing'}" if not kind or kind in NO_VOCABULARY else "tokens is missing"
        return (
            f"the file has no vocabulary (tokenizer.ggml.{why}) and can read no text; export the model with its "
            "tokenizer"
        )
    unknown = ("model", kind) if kind not in TOKENIZERS else ("pre", pre)
    if unknown[0] == "model" or (kind == "gpt2" and pre and pre not in PRE_TOKENIZERS):
        return (
            f"the tokenizer is unknown to this llama.cpp (tokenizer.ggml.{unknown[0]} is {unknown[1]!r}); convert the "
            "model again with a converter of the same age"
        )
    return None


def _line(header: GGUFHeader, key: str) -> str:
    return " ".join(header.text(key).split())[:_MOST_CHARACTERS]


def _size_in(name: str) -> str:
    match = _SIZE.search(name)
    return match[1].upper().replace("X", "x") if match else ""
