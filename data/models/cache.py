"""Where fetched models lie in the cache, and that one process at a time changes one of them."""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from data.files import forget_sha256
from data.hub.address import HubSource
from data.models.entries import ModelEntry
from data.paths import cache_dir
from data.progress import FetchCancelled, IsCancelled

if TYPE_CHECKING:
    from filelock import FileLock

_LOCK_POLL_S = 0.2


def models_dir() -> Path:
    return cache_dir() / "models"


def model_directory(entry: ModelEntry) -> Path:
    return models_dir() / entry.id


def cached_path(entry: ModelEntry, sha256: str) -> Path:
    """Where the model's file lies once it is checked; of a set, the first part, named so that llama.cpp finds all."""
    parts = len(entry.source.files) if isinstance(entry.source, HubSource) else 1
    part = f"-00001-of-{parts:05}" if parts > 1 else ""
    return model_directory(entry) / f"{entry.id}-{sha256[:12]}{part}.gguf"


def discard(path: Path) -> None:
    path.unlink(missing_ok=True)
    forget_sha256(path)


def empty(directory: Path, *, keep: Collection[Path] = (), pattern: str = "*") -> int:
    """Delete the directory's files but those to keep; returns the bytes freed."""
    freed = 0
    for path in directory.glob(pattern):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)  # what a killed pip left, which may write on for a moment
        elif path not in keep:
            freed += path.lstat().st_size
            discard(path)
    return freed


def lock_of(entry: ModelEntry) -> "FileLock":
    from filelock import FileLock

    models_dir().mkdir(parents=True, exist_ok=True)
    return FileLock(models_dir() / f"{entry.id}.lock")


@contextmanager
def only_one(entry: ModelEntry, cancelled: IsCancelled) -> Iterator[None]:
    """Hold the entry's lock among processes and threads; waiting for it can be cancelled."""
    from filelock import Timeout

    lock = lock_of(entry)
    while True:
        try:
            lock.acquire(timeout=_LOCK_POLL_S)
            break
        except Timeout:
            if cancelled():
                raise FetchCancelled from None
    try:
        yield
    finally:
        lock.release()
