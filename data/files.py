"""Files on the disk: their SHA-256, remembered so that a second start does not read 2 GB again; writing; free space."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from data.errors import ModelError
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


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file in one step: readers see the old or the new one, also after a loss of power.

    Raises:
        OSError: It cannot be written; the old one stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on the disk, not in memory alone."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# Left over for everything else on the disk.
MARGIN_BYTES = 50_000_000


def require_space(directory: Path, needed_bytes: int, what: str) -> None:
    """Refuse work that cannot finish.

    Raises:
        ModelError: Less is free; the message has both figures and the place.
    """
    free = shutil.disk_usage(directory).free
    if needed_bytes + MARGIN_BYTES > free:
        raise ModelError(
            f"disk full: {what} needs {size_text(needed_bytes)}, {size_text(free)} free at {directory}; "
            "make room, or set TRADEOFF_CACHE to a directory on another disk"
        )


def size_text(count: int) -> str:
    """Decimal megabytes or gigabytes, as disks are sold and as the Hub counts."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
