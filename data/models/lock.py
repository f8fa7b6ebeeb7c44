"""What the first fetch of an unpinned model found: `models.lock.json` in the cache.

An entry without a sha256 in the registry gets it, and the Hub's commit, from here at every later fetch, so that two
fetches of one entry give the same bytes.
"""

import json
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.errors import ModelError
from data.files import sha256_of, write_atomically
from data.models.entries import DerivedSource, ModelEntry, Registry
from data.paths import cache_dir
from data.records import build, read_json, shown

SCHEMA_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Pin:
    """The bytes that an entry stands for.

    Attributes:
        sha256: Of the file; of a set as `data.files` says.
        revision: Commit of a Hub repository; None for other sources.
        parts: The sha256 of each file of a set; empty where it is one file, or the Hub does not tell.
    """

    sha256: str | None
    revision: str | None = None
    file_size_bytes: int | None = None
    parts: tuple[str, ...] = ()


def lock_path() -> Path:
    return cache_dir() / "models.lock.json"


def read_pin(entry: ModelEntry, registry: Registry) -> Pin | None:
    """What the first fetch found, or None before it.

    Raises:
        ModelError: The lock file is broken.
    """
    record = _read_all().get(_key(entry, registry))
    return None if record is None else _pin(record)


def lock_problem() -> str | None:
    """What is wrong with the lock file, in one line; None where nothing is."""
    try:
        for record in _read_all().values():
            _pin(record)
    except ModelError as error:
        return str(error)
    return None


def write_pin(entry: ModelEntry, registry: Registry, pin: Pin) -> None:
    found = {name: value for name, value in asdict(pin).items() if value != ()}
    with _exclusive():
        _write_all({**_read_all(), _key(entry, registry): {"id": entry.id, **found}})


def forget_pins(model_id: str) -> None:
    """The next fetch of this id decides anew."""
    with _exclusive():
        records = _read_all()
        kept = {key: record for key, record in records.items() if not _is_of(record, model_id)}
        if kept != records:
            _write_all(kept)


def _is_of(record: object, model_id: str) -> bool:
    return isinstance(record, dict) and record.get("id") == model_id


def _key(entry: ModelEntry, registry: Registry) -> str:
    """Names the entry and its source, so that an edited source or a retrained adapter is a new entry."""
    key = f"{entry.id} = {entry.source!r}"
    if isinstance(entry.source, DerivedSource):
        base = registry[entry.source.base]
        key += f" of {base.sha256 or _key(base, registry)}"
        if (adapter := entry.source.adapter) and not entry.source.adapter_sha256:
            key += f" with {sha256_of(adapter) if adapter.is_file() else None}"
    return key


def _pin(record: object) -> Pin:
    if not isinstance(record, dict) or any(name not in record for name in ("sha256", "revision", "file_size_bytes")):
        raise _broken("a record lacks a key")
    pin = build(Pin, {field.name: record[field.name] for field in fields(Pin) if field.name in record}, _broken)
    for sum_ in (pin.sha256, *pin.parts):
        if sum_ is not None and not _SHA256.fullmatch(sum_):
            raise _broken(f"{shown(sum_)} is no sha256")
    return pin


def _read_all() -> Mapping[str, Any]:
    """Its records, each still to be checked: one that is broken costs its own model alone."""
    if not lock_path().exists():
        return {}
    content = read_json(lock_path(), lambda text: _broken(text.removeprefix(f"{lock_path()}: ")))
    if content.get("schema_version") != SCHEMA_VERSION:
        raise _broken(f"not schema version {SCHEMA_VERSION}")
    records = content.get("models")
    if not isinstance(records, dict):
        raise _broken("its models are not a table")
    return records


def _write_all(records: Mapping[str, Mapping[str, Any]]) -> None:
    content = {"schema_version": SCHEMA_VERSION, "models": records}
    write_atomically(lock_path(), json.dumps(content, indent=2) + "\n")


def _exclusive() -> AbstractContextManager[object]:
    from filelock import FileLock

    lock_path().parent.mkdir(parents=True, exist_ok=True)
    return FileLock(lock_path().with_suffix(".json.lock"))


def _broken(why: str) -> ModelError:
    return ModelError(f"{lock_path()}: {why}; remove it, and unpinned models are looked up on the Hub again")
