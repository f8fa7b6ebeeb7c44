"""One model of the registry, and where its file comes from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from data.errors import ModelError
from data.hub.address import HubSource


class RegistryError(ModelError):
    """The registry's file, or an id asked of it, is wrong; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class PyPISource:
    """A file inside a wheel on the Python package index, or in parts inside several, joined in their order.

    Attributes:
        package, member: With `{part}` where the number of the part stands, from 1; `{part:02}` has two digits.
        parts: Not in the repr, which names an unpinned entry in the lock file; an entry in parts is pinned.
    """

    package: str
    version: str
    member: str
    parts: int = field(default=1, repr=False)

    @property
    def wheels(self) -> tuple["PyPISource", ...]:
        """Each wheel and its member, in order."""
        return tuple(
            replace(self, package=_numbered(self.package, part), member=_numbered(self.member, part), parts=1)
            for part in range(1, self.parts + 1)
        )


@dataclass(frozen=True, kw_only=True)
class FileSource:
    """A file on this machine; in the registry relative to the registry's directory, here absolute."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class DerivedSource:
    """Another entry, changed here: first its layers, then the adapter, then the quantization.

    Attributes:
        base: Id of the entry to start from.
        quantization: Of `data.gguf.types.QUANTIZATIONS`; None leaves F16 where there is an adapter, else the base's.
        adapter: A LoRA adapter for the base without its dropped layers; relative in the registry as in `FileSource`.
        adapter_sha256: Of that file; an entry that is pinned has it.
        drop_layers: Numbers of the base's layers, from 0, in their order.
    """

    base: str
    quantization: str | None = None
    adapter: Path | None = None
    adapter_sha256: str | None = None
    drop_layers: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AdaptedSource(DerivedSource):
    """Another entry with an adapter that is applied as it runs (`data.gguf.adapted`); it changes nothing else.

    Attributes:
        scale: Of what the adapter adds.
    """

    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class OpenAISource:
    """A model that a server of OpenAI's protocol has; nothing of it is on this machine.

    Attributes:
        url: Of what stands before /chat/completions and /models, such as http://localhost:8080/v1.
        model: Its name there.
        key: Name of the environment variable with the key, never the key itself; None asks without one.
        usd_per_million_in, usd_per_million_out: US dollars for a million tokens read, and written.
    """

    url: str
    model: str
    key: str | None = None
    usd_per_million_in: float | None = None
    usd_per_million_out: float | None = None

    @property
    def host(self) -> str:
        """With its port: what messages say."""
        return urlsplit(self.url).netloc


ModelSource = HubSource | PyPISource | FileSource | DerivedSource | OpenAISource


SOURCES: Mapping[str, type[ModelSource]] = MappingProxyType(
    {
        "hf": HubSource,
        "pypi": PyPISource,
        "file": FileSource,
        "adapted": AdaptedSource,
        "derived": DerivedSource,
        "openai": OpenAISource,
    }
)


def kind_of(source: ModelSource) -> str:
    """Its kind as the registry writes it."""
    return next(kind for kind, type_ in SOURCES.items() if isinstance(source, type_))


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model file of the registry.

    Attributes:
        base: The original model that it was made from.
        size: Its parameters as people say it, such as "135M" or "1B".
        rank, alpha: Of the LoRA adapter merged into it; None for an untuned model.
        quantization: As llama.cpp names it, lower case.
        mirrors: Sources of the same bytes, tried in order where those before have failed.
        sha256: Of the GGUF; None where the first fetch decides (see `data/models/lock.py`).
    """

    id: str
    label: str
    base: str
    size: str
    quantization: str
    licence: str
    source: ModelSource
    mirrors: tuple[ModelSource, ...] = ()
    rank: int | None = None
    alpha: int | None = None
    sha256: str | None = None
    file_size_bytes: int | None = None
    note: str | None = None

    @property
    def sources(self) -> tuple[ModelSource, ...]:
        """All of them, in the order in which they are tried."""
        return (self.source, *self.mirrors)

    @property
    def is_served(self) -> bool:
        """Whether another program has it, and answers for it."""
        return isinstance(self.source, OpenAISource)

    @property
    def source_kind(self) -> str:
        return kind_of(self.source)

    def only_from(self, kind: str) -> "ModelEntry":
        """The entry with its sources of one kind.

        Raises:
            RegistryError: It has none; the message lists the kinds that it has.
        """
        if found := [source for source in self.sources if kind_of(source) == kind]:
            return replace(self, source=found[0], mirrors=tuple(found[1:]))
        has = ", ".join(dict.fromkeys(map(kind_of, self.sources)))
        raise RegistryError(f"{self.id}: no source of kind {kind!r}; it has: {has}")


Registry = Mapping[str, ModelEntry]


def _numbered(text: str, part: int) -> str:
    """Not `str.format`, which a registry could ask for any width."""
    return re.sub(r"\{part(?::0([1-9]))?\}", lambda found: str(part).zfill(int(found[1] or 0)), text)


def deployed_bytes(entry: ModelEntry, registry: Registry) -> int | None:
    """What has to be on the disk to run it: of an adapter that is applied as it runs its base, too. None if unknown."""
    own = entry.file_size_bytes
    if not isinstance(entry.source, AdaptedSource):
        return own
    base = deployed_bytes(registry[entry.source.base], registry)
    return own + base if own and base else None
