"""One model of the registry, and where its file comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from data.errors import ModelError
from data.hub.address import HubSource


class RegistryError(ModelError):
    """The registry's file, or an id asked of it, is wrong; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class PyPISource:
    """A file inside a wheel on the Python package index."""

    package: str
    version: str
    member: str


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """A file on this machine; in the registry relative to the registry's directory, here absolute."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class DerivedSource:
    """Another entry, changed here: first its layers, then the adapter, then the quantization.

    Attributes:
        base: Id of the entry to start from.
        quantization: One of `gguf.quantize.QUANTIZATIONS`; None leaves F16 where there is an adapter, else the base's.
        adapter: A LoRA adapter for the base without its dropped layers; relative in the registry as in `FileSource`.
        adapter_sha256: Of that file; an entry that is pinned has it.
        drop_layers: Numbers of the base's layers, from 0, in their order.
    """

    base: str
    quantization: str | None = None
    adapter: Path | None = None
    adapter_sha256: str | None = None
    drop_layers: tuple[int, ...] = ()


ModelSource = HubSource | PyPISource | FileSource | DerivedSource


SOURCES: Mapping[str, type[ModelSource]] = MappingProxyType(
    {"hf": HubSource, "pypi": PyPISource, "file": FileSource, "derived": DerivedSource}
)


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model file of the registry.

    Attributes:
        base: The original model that it was made from.
        size: Its parameters as people say it, such as "135M" or "1B".
        rank, alpha: Of the LoRA adapter merged into it; None for an untuned model.
        quantization: As llama.cpp names it, lower case.
        sha256: Of the GGUF; None where the first fetch decides (see `data/models/lock.py`).
    """

    id: str
    label: str
    base: str
    size: str
    quantization: str
    licence: str
    source: ModelSource
    rank: int | None = None
    alpha: int | None = None
    sha256: str | None = None
    file_size_bytes: int | None = None
    note: str | None = None

    @property
    def source_kind(self) -> str:
        return next(kind for kind, type_ in SOURCES.items() if isinstance(self.source, type_))


Registry = Mapping[str, ModelEntry]
