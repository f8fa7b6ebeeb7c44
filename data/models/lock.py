"""What the first fetch of an unpinned model found: `models.lock.json` in the cache.

An entry without a sha256 in the registry gets it, and the Hub's commit, from here at every later fetch, so that two
fetches of one entry give the same bytes.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from data.errors import ModelError
from data.files import sha256_of, write_atomically
from data.models.entries import DerivedSource, ModelEntry, Registry
from data.paths import cache_dir

SCHEMA_VERSION = 1


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
    if record is None:
        return None
    try:
        values = {field.name: record[field.name] for field in fields(Pin) if field.name != "parts"}
        return Pin(**values, parts=tuple(record.get("parts", ())))
    except (KeyError, TypeError):
        raise _broken("a record lacks a key") from None


def write_pin(entry: ModelEntry, registry: Registry, pin: Pin) -> None:
    found = {name: value for name, value in asdict(pin).items() if value != ()}
    with _exclusive():
        _write_all({**_read_all(), _key(entry, registry): {"id": entry.id, **found}})


def forget_pins(model_id: str) -> None:
    """The next fetch of this id decides anew."""
    with _exclusive():
        records = _read_all()
        kept = {key: record for key, record in records.items() if record.get("id") != model_id}
        if kept != records:
            _write_all(kept)


def _key(entry: ModelEntry, registry: Registry) -> str:
    """Names the entry and its source, so that an edited source or a retrained adapter is a new entry."""
    key = f"{entry.id} = {entry.source!r}"
    if isinstance(entry.source, DerivedSource):
        base = registry[entry.source.base]
        key += f" of {base.sha256 or _key(base, registry)}"
        if (adapter := entry.source.adapter) and not entry.source.adapter_sha256:
            key += f" with {sha256_of(adapter) if adapter.is_file() else None}"
    return key


def _read_all() -> Mapping[str, dict[str, Any]]:
    try:
        content = json.loads(lock_path().read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError:
        raise _broken("not valid JSON") from None
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        raise _broken(f"not schema version {SCHEMA_VERSION}")
    records = content.get("models")
    if not isinstance(records, dict) or not all(isinstance(record, dict) for record in records.values()):
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
