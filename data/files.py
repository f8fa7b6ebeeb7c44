"""Files on the disk: their SHA-256, remembered so that a second start does not read 2 GB again; writing; free space.

A model is one file, or all parts of a split one, `NAME-00001-of-00003.gguf` and so on, and stands for its first. The
sha256 of a set is the SHA-256 of its parts' digests in their order, 64 lower-case hexadecimal digits each, joined
without anything between them: it can be had from what the Hub says of each part, before any of them is here.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from data.errors import NoRoomError
from data.paths import cache_dir
from data.progress import FetchCancelled, IsCancelled, counted_from, never_cancelled

_CHUNK_BYTES = 4 * 2**20
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.gguf)", re.IGNORECASE | re.DOTALL | re.ASCII)


def part_names(name: str) -> tuple[str, ...]:
    """Names of all parts of the set that one part's name tells of, in order; for any other file its name alone."""
    match = _PART.fullmatch(name)
    stem, number, count, suffix = match.groups() if match else ("", "0", "0", "")
    if not 1 <= int(number) <= int(count) or int(count) == 1:
        return (name,)
    return tuple(f"{stem}-{part:05}-of-{count}{suffix}" for part in range(1, int(count) + 1))


def model_stem(name: str) -> str:
    """A model's file name without its ending, and without the number of its part."""
    match = _PART.fullmatch(name)
    return match[1] if match else re.sub(r"(?i)\.gguf$", "", name)


def is_gguf_name(name: str) -> bool:
    """Whether a text is a GGUF's name, in any capitals, rather than an id."""
    return name.lower().endswith(".gguf")


def model_files(path: Path) -> list[Path]:
    """A model's files: all parts of the set that `path` is one of, there or not, or `path` alone."""
    return [path.with_name(name) for name in part_names(path.name)]


def model_size_bytes(path: Path) -> int:
    """Size of all files of a model.

    Raises:
        OSError: One of them is not there.
    """
    return sum(file.stat().st_size for file in model_files(path))


def joint_sha256(digests: Iterable[str]) -> str:
    """The sha256 of a model whose files have these; of a set, as the module says, and of a single file its own."""
    known = list(digests)
    return known[0] if len(known) == 1 else hashlib.sha256("".join(known).encode("ascii")).hexdigest()


def model_sha256(path: Path) -> str:
    """As `sha256_of`, for a model of any number of files."""
    return joint_sha256(file_digests(model_files(path)))


def file_digests(
    files: Iterable[Path],
    *,
    on_bytes: Callable[[int], None] = lambda done: None,
    cancelled: IsCancelled = never_cancelled,
) -> list[str]:
    """`sha256_of` each; `on_bytes` is called with the bytes read of all of them."""
    before, digests = 0, []
    for file in files:
        digests.append(sha256_of(file, on_bytes=counted_from(before, on_bytes), cancelled=cancelled))
        before += file.stat().st_size
    return digests


def remembered_model_sha256(path: Path) -> str | None:
    """As `remembered_sha256`, for a model of any number of files."""
    known = [remembered_sha256(file) for file in model_files(path)]
    return None if None in known else joint_sha256(filter(None, known))


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
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
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
        NoRoomError: Less is free; the message has both figures and the place.
    """
    free = shutil.disk_usage(directory).free
    if needed_bytes + MARGIN_BYTES > free:
        raise NoRoomError(
            f"disk full: {what} needs {size_text(needed_bytes)}, {size_text(free)} free at {directory}; "
            "make room, or set TRADEOFF_CACHE to a directory on another disk"
        )


def size_text(count: int) -> str:
    """Decimal megabytes or gigabytes, as disks are sold and as the Hub counts."""
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
