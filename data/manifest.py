"""What travels with a file that Tradeoff made (an adapter, a GGUF, a parity result): where it came from, exactly."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from data.errors import TradeoffError
from data.files import write_atomically

SCHEMA_VERSION = 1
Kind = Literal["adapter", "gguf", "parity"]


class ManifestError(TradeoffError):
    """The manifest cannot be read; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Provenance of a set of files.

    Attributes:
        base: Id of the model in the registry that this was made from.
        base_sha256: Of that model's GGUF or weights.
        rank, alpha: Of the LoRA adapter; None where there is none.
        files: SHA-256 by file name, relative to the manifest.
        created_by: The command that made it.
        config: Its resolved configuration.
        extra: Anything more (metrics, backend, versions).
    """

    kind: Kind
    base: str
    base_sha256: str
    files: Mapping[str, str]
    created_by: str
    rank: int | None = None
    alpha: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write it as JSON, atomically."""
    write_atomically(path, json.dumps(asdict(manifest), indent=2, sort_keys=True) + "\n")


def read_manifest(path: Path) -> Manifest:
    """Read a manifest of this schema version.

    Raises:
        ManifestError: Not a manifest, of a newer Tradeoff, or with missing or unknown keys.
        OSError: The file cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ManifestError(f"{path}: not valid JSON: {error}") from None
    version = content.get("schema_version") if isinstance(content, dict) else None
    if not isinstance(version, int):
        raise ManifestError(f"{path}: not a manifest: no schema_version")
    if version > SCHEMA_VERSION:
        raise ManifestError(f"{path}: schema version {version}, this Tradeoff reads up to {SCHEMA_VERSION}; update it")
    known = {entry.name for entry in fields(Manifest)}
    if unknown := sorted(set(content) - known):
        raise ManifestError(f"{path}: unknown key {unknown[0]!r}; known keys: {', '.join(sorted(known))}")
    if content.get("kind") not in get_args(Kind):
        raise ManifestError(f"{path}: unknown kind {content.get('kind')!r}; known kinds: {', '.join(get_args(Kind))}")
    try:
        return Manifest(**content)
    except TypeError as error:
        raise ManifestError(f"{path}: {str(error).removeprefix('Manifest.__init__() ')}") from None
