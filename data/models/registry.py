"""The models that can be measured: `data/models.toml` as checked dataclasses.

One `[[model]]` table an entry, not `[ID]`: TOML would split the id of llama-3.2 at its dot. Anything unknown in the
file is an error that names the file, the entry, the key and the known ones, so that a typing error never becomes a
silently ignored setting.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from data.gguf.types import QUANTIZATIONS
from data.hub.address import HubSource
from data.models.entries import (
    SOURCES,
    AdaptedSource,
    DerivedSource,
    FileSource,
    ModelEntry,
    ModelSource,
    OpenAISource,
    PyPISource,
    Registry,
    RegistryError,
    kind_of,
)
from data.models.pypi import why_no_package
from data.models.served import why_no_server
from data.paths import added_models_path, registry_path
from data.records import check_keys, did_you_mean, fits, parse_toml, read_toml, shown, toml_lines

_MOST = {"scale": 100.0, "usd_per_million_in": 1e5, "usd_per_million_out": 1e5}
_ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PLACES = {"source", "mirrors"}
MOST_DERIVATIONS = 16


def load_registry() -> dict[str, ModelEntry]:
    """The models that are known on this machine: the project's, in its order, then what a person has added.

    An id that the project's registry has taken meanwhile stands for the project's model.

    Raises:
        RegistryError: As `read_registry`, of either file.
    """
    project, added = project_registry(), added_models_path()
    own = read_registry(added) if added.exists() else {}
    return project | {model_id: entry for model_id, entry in own.items() if model_id not in project}


def project_registry() -> dict[str, ModelEntry]:
    """The project's models alone: `data/models.toml`, or the file that `TRADEOFF_REGISTRY` names.

    Raises:
        RegistryError: As `read_registry`, or it has no model.
    """
    if registry := read_registry(registry_path()):
        return registry
    raise RegistryError(f"{registry_path()}: no model in it; write one as a [[model]] (data/models.toml shows how)")


def read_registry(path: Path) -> dict[str, ModelEntry]:
    """Read and check one registry file, in its order.

    Raises:
        RegistryError: Not readable, not TOML, or any entry is wrong.
    """
    return _registry(read_toml(path, RegistryError), path)


def parse_registry(text: str, path: Path) -> dict[str, ModelEntry]:
    """As `read_registry`, from a text; `path` is what errors name and where relative paths begin.

    Raises:
        RegistryError: Not TOML, or any entry is wrong.
    """
    return _registry(parse_toml(text, str(path), RegistryError), path)


def _registry(tables: Mapping[str, Any], path: Path) -> dict[str, ModelEntry]:
    for key in tables:
        if key != "model":
            raise RegistryError(
                f"{path.name}: unknown key {shown(key)}; known: model (each entry stands under [[model]])"
            )
    registry: dict[str, ModelEntry] = {}
    for number, table in enumerate(_tables(path, tables.get("model", [])), start=1):
        entry = _entry(path, number, table)
        if entry.id in registry:
            raise RegistryError(f"{path.name}: [{entry.id}] is there twice; ids must differ")
        registry[entry.id] = entry
    for entry in registry.values():
        _check_derivation(path, entry, registry)
    return registry


def registry_toml(entries: Iterable[ModelEntry]) -> str:
    """The entries as a registry file's text, which `parse_registry` reads back."""
    return "\n".join(map(_entry_toml, entries))


def _entry_toml(entry: ModelEntry) -> str:
    given = {field.name: getattr(entry, field.name) for field in fields(entry) if field.name not in _PLACES}
    head = "[[model.sources]]" if entry.mirrors else "[model.source]"
    return "\n".join([f"[[model]]\n{toml_lines(given)}", *(f"{head}\n{_source_toml(each)}" for each in entry.sources)])


def _source_toml(source: ModelSource) -> str:
    given = {field.name: getattr(source, field.name) for field in fields(source)}
    return toml_lines({"kind": kind_of(source)} | given)


def get(registry: Registry, model_id: str) -> ModelEntry:
    """The entry with this id.

    Raises:
        RegistryError: There is none; the message lists close matches and all ids.
    """
    if model_id not in registry:
        known = ", ".join(registry) or "none"
        raise RegistryError(
            f"unknown model {model_id!r}{did_you_mean(model_id, registry, most=3)}; known models: {known}"
        )
    return registry[model_id]


def _tables(path: Path, value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(table, dict) for table in value):
        raise RegistryError(f"{path.name}: model must be tables, each under [[model]]")
    return value


def _entry(path: Path, number: int, table: dict[str, Any]) -> ModelEntry:
    values = dict(table)
    model_id = values.pop("id", None)
    if not isinstance(model_id, str):
        raise RegistryError(f"{path.name}: model {number} has no id")
    where = f"{path.name}: [{model_id}]"
    if not _ID.fullmatch(model_id):
        raise RegistryError(f"{where}: an id has only the characters a-z 0-9 . _ - and starts with a letter or digit")
    source, *mirrors = _sources(path, where, values)
    if isinstance(source, DerivedSource):
        _complete_derived(where, source, values)
    if isinstance(source, OpenAISource):
        _complete_served(where, source, values)
    _check_keys(where, values, ModelEntry, given=_PLACES | {"id"})
    for key, value in values.items():
        expected = int if key in ("rank", "alpha", "file_size_bytes") else str
        _check_value(where, key, value, expected)
    _check_sha256(where, "sha256", values)
    for key in ("sha256", "file_size_bytes"):
        if key not in values and (mirrors or (isinstance(source, PyPISource) and source.parts > 1)):
            raise RegistryError(f"{where}: {key} is missing; a model in parts, or with several sources, has it")
    return ModelEntry(id=model_id, source=source, mirrors=tuple(mirrors), **values)


def _sources(path: Path, where: str, values: dict[str, Any]) -> list[ModelSource]:
    """What stands under `source`, or all that stand under `sources`; taken out of the values."""
    one, several = values.pop("source", None), values.pop("sources", None)
    if several is None:
        return [_source(path, f"{where} source", one)]
    if one is not None or not isinstance(several, list) or not several:
        raise RegistryError(f"{where}: write one [model.source], or several [[model.sources]]")
    found = [_source(path, f"{where} source {number}", table) for number, table in enumerate(several, start=1)]
    for source in found:
        if not isinstance(source, HubSource | PyPISource) or (isinstance(source, HubSource) and len(source.files) > 1):
            raise RegistryError(f"{where}: one of several sources is of kind hf or pypi, and no part of a split model")
    return found


def _source(path: Path, where: str, table: Any) -> ModelSource:
    kinds = ", ".join(SOURCES)
    if not isinstance(table, dict) or "kind" not in table:
        raise RegistryError(f"{where}: missing or without a kind; known kinds: {kinds}")
    values = dict(table)
    kind = values.pop("kind")
    if not isinstance(kind, str) or kind not in SOURCES:
        raise RegistryError(
            f"{where}: unknown kind {shown(kind)}; known kinds: {kinds}{did_you_mean(str(kind), SOURCES, most=3)}"
        )
    _check_keys(where, values, SOURCES[kind], given=())
    for key, value in values.items():
        if key == "drop_layers":
            _check_layers(where, value)
        else:
            _check_value(where, key, value, int if key == "parts" else float if key in _MOST else str)
    if kind == "file":
        return FileSource(path=_beside(path, values["path"]))
    derive = {"derived": _derived, "adapted": _adapted}.get(kind)
    source = derive(path, where, values) if derive else SOURCES[kind](**values)
    check = {"pypi": why_no_package, "openai": why_no_server}.get(kind)
    if check and (problem := check(source)):  # type: ignore[operator]
        raise RegistryError(f"{where}: {problem}")
    return source


def _derived(path: Path, where: str, values: Mapping[str, Any]) -> DerivedSource:
    quantization, adapter = values.get("quantization"), values.get("adapter")
    if quantization is not None and quantization not in QUANTIZATIONS:
        raise RegistryError(
            f"{where}: unknown quantization {quantization!r}; known: {', '.join(QUANTIZATIONS)}"
            + did_you_mean(quantization, QUANTIZATIONS, most=3)
        )
    if not {"quantization", "adapter", "drop_layers"} & values.keys():
        raise RegistryError(f"{where}: nothing changes; give at least one of quantization, adapter, drop_layers")
    if "adapter_sha256" in values and adapter is None:
        raise RegistryError(f"{where}: adapter_sha256 stands without an adapter")
    _check_sha256(where, "adapter_sha256", values)
    return DerivedSource(
        base=values["base"],
        quantization=quantization,
        adapter=_beside(path, adapter) if adapter else None,
        adapter_sha256=values.get("adapter_sha256"),
        drop_layers=tuple(sorted(values.get("drop_layers", ()))),
    )


def _adapted(path: Path, where: str, values: Mapping[str, Any]) -> AdaptedSource:
    if "adapter" not in values or {"quantization", "drop_layers"} & values.keys():
        raise RegistryError(f"{where}: of kind adapted, which has base, adapter, adapter_sha256 and scale alone")
    as_derived = _derived(path, where, {key: value for key, value in values.items() if key != "scale"})
    return AdaptedSource(
        base=as_derived.base,
        adapter=as_derived.adapter,
        adapter_sha256=as_derived.adapter_sha256,
        scale=float(values.get("scale", 1.0)),
    )


def _complete_derived(where: str, source: DerivedSource, values: dict[str, Any]) -> None:
    """Give a derived entry the quantization that follows from its source."""
    merged = source.adapter and not isinstance(source, AdaptedSource)
    expected = source.quantization or ("f16" if merged else None)
    if expected and values.setdefault("quantization", expected) != expected:
        raise RegistryError(
            f"{where}: quantization {values['quantization']!r} differs from its source's"
            + ("" if source.quantization else ", which is 'f16': an adapter is merged at that")
        )
    if source.adapter and "sha256" in values and source.adapter_sha256 is None:
        raise RegistryError(f"{where}: sha256 pins the result; pin the adapter too, by adapter_sha256 in its source")


def _complete_served(where: str, source: OpenAISource, values: dict[str, Any]) -> None:
    """What an entry need not say of a model whose file nobody here sees."""
    if pinned := [key for key in ("sha256", "file_size_bytes") if key in values]:
        raise RegistryError(f"{where}: {pinned[0]} cannot be known of a model that a server has; leave it out")
    for key, value in (("base", source.model), ("size", "?"), ("quantization", "unknown"), ("licence", "unknown")):
        values.setdefault(key, value)


def _beside(registry: Path, path: str) -> Path:
    """A relative path starts at the registry's directory."""
    return registry.absolute().parent / Path(path).expanduser()


def _check_keys(where: str, values: Mapping[str, Any], record: type, given: Iterable[str]) -> None:
    known = [field for field in fields(record) if field.name not in given]
    check_keys(values, [field.name for field in known], lambda text: RegistryError(f"{where}: {text}"))
    required = [field.name for field in known if field.default is MISSING]
    if missing := [name for name in required if name not in values]:
        raise RegistryError(f"{where}: {missing[0]!r} is missing; required: {', '.join(required)}")


def _check_value(where: str, key: str, value: object, expected: type) -> None:
    if not fits(value, expected) or value == "":
        kind = {int: "a whole number", float: "a number"}.get(expected, "a text that is not empty")
        raise RegistryError(f"{where}: {key} is {shown(value)}; it must be {kind}")
    if isinstance(value, int | float) and (value > _MOST.get(key, value) or (isinstance(value, float) and value <= 0)):
        raise RegistryError(f"{where}: {key} is {value}; it must be above 0 and at most {_MOST[key]:g}")
    if isinstance(value, int | float) and value <= 0:
        raise RegistryError(f"{where}: {key} is {value}; it must be positive")


def _check_sha256(where: str, key: str, values: Mapping[str, Any]) -> None:
    if (sha256 := values.get(key)) is not None and not _SHA256.fullmatch(sha256):
        raise RegistryError(f"{where}: {key} is {sha256!r}; it must be 64 lower-case hexadecimal digits")


def _check_layers(where: str, value: object) -> None:
    if not isinstance(value, list) or not value or not all(fits(layer, int) and layer >= 0 for layer in value):
        raise RegistryError(f"{where}: drop_layers is {shown(value)}; it must be a list of layer numbers, from 0")
    if twice := [layer for layer in value if value.count(layer) > 1]:
        raise RegistryError(f"{where}: drop_layers has {twice[0]} twice")


def _check_derivation(path: Path, entry: ModelEntry, registry: Registry) -> None:
    """Follow an entry to what it is derived from; the way must end, and soon."""
    chain = [entry.id]
    while isinstance(source := registry[chain[-1]].source, DerivedSource):
        where = f"{path.name}: [{chain[-1]}] source"
        if source.base not in registry:
            hint = did_you_mean(source.base, registry, most=3)
            raise RegistryError(f"{where}: derived from unknown model {source.base!r}{hint}")
        if registry[source.base].is_served:
            raise RegistryError(f"{where}: {source.base!r} is served elsewhere; nothing can be derived of it")
        base = registry[source.base].quantization
        kept = isinstance(source, AdaptedSource) or not (source.quantization or source.adapter)
        if kept and base != registry[chain[-1]].quantization:
            does = "applies an adapter" if source.adapter else "only drops layers"
            raise RegistryError(
                f"{path.name}: [{chain[-1]}]: quantization {registry[chain[-1]].quantization!r}, but its source "
                f"{does}, which keeps the {base!r} of {source.base!r}"
            )
        if isinstance(registry[source.base].source, AdaptedSource):
            raise RegistryError(f"{where}: {source.base!r} is an adapter on its base, of which nothing can be derived")
        if source.base in chain:
            raise RegistryError(f"{where}: derived from itself: {' -> '.join([*chain, source.base])}")
        chain.append(source.base)
        if len(chain) > MOST_DERIVATIONS:
            raise RegistryError(
                f"{path.name}: [{entry.id}] is derived in {MOST_DERIVATIONS} steps or more; use a nearer base"
            )
