"""What travels with a file that Tradeoff made (an adapter, a GGUF, a parity result): where it came from, exactly."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from data.errors import TradeoffError
from data.files import write_atomically
from data.paths import ROOT
from data.records import build, read_json

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
    content = read_json(path, ManifestError)
    version = content.get("schema_version")
    if not isinstance(version, int):
        raise ManifestError(f"{path}: not a manifest: no schema_version")
    if version > SCHEMA_VERSION:
        raise ManifestError(f"{path}: schema version {version}, this Tradeoff reads up to {SCHEMA_VERSION}; update it")
    try:
        return build(Manifest, content, ManifestError)
    except ManifestError as error:
        raise ManifestError(f"{path}: {error}") from None


def git_commit() -> str | None:
    """Of this checkout; None where there is no git, or no repository."""
    return git_says("rev-parse", "HEAD")


def git_says(*arguments: str) -> str | None:
    """What git prints of this checkout; None where it cannot say."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
