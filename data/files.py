"""SHA-256 of model files, remembered so that the second start does not read 2 GB again."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from data.paths import cache_dir
from data.progress import FetchCancelled, IsCancelled, never_cancelled

_CHUNK_BYTES = 4 * 2**20


def sha256_of(
    path: Path,
    *,
    on_bytes: Callable[[int], None] = lambda done: None,
    cancelled: IsCancelled = never_cancelled,
) -> str:
    """SHA-256 of a file in hexadecimal, computed only where size or modification time changed.

    Args:
        on_bytes: Called with the bytes read so far.

    Raises:
        FetchCancelled: `cancelled()` became true.
        OSError: The file cannot be read.
    """
    if known := remembered_sha256(path):
        return known
    before = _fingerprint(path)
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if cancelled():
                raise FetchCancelled
            digest.update(chunk)
            done += len(chunk)
            on_bytes(done)
    if before == _fingerprint(path):
        _remember(path, before, digest.hexdigest())
    return digest.hexdigest()


def remembered_sha256(path: Path) -> str | None:
    """SHA-256 of an earlier reading, or None where there was none or the file changed since."""
    try:
        record = json.loads(_record_path(path).read_text())
        return str(record["sha256"]) if record["fingerprint"] == _fingerprint(path) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def move_verified(source: Path, target: Path) -> None:
    """Put a file whose sum is remembered in its final place, atomically, and keep the sum."""
    sha256 = remembered_sha256(source)
    seconds = source.stat().st_mtime_ns // 10**9
    os.utime(source, (seconds, seconds))  # whole seconds survive tar, and so a Docker image's layers
    source.replace(target)
    forget_sha256(source)
    if sha256:
        _remember(target, _fingerprint(target), sha256)


def forget_sha256(path: Path) -> None:
    _record_path(path).unlink(missing_ok=True)


def _fingerprint(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _remember(path: Path, fingerprint: list[int], sha256: str) -> None:
    record = {"path": str(path), "fingerprint": fingerprint, "sha256": sha256}
    write_atomically(_record_path(path), json.dumps(record))


def _record_path(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:24]
    return cache_dir() / "checksums" / f"{name}.json"


def write_atomically(path: Path, text: str) -> None:
    """Replace a small text file in one step; readers see the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
