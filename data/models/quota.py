"""A limit on what fetched models may take on the disk: the least recently used go first, never one that is in use.

`TRADEOFF_CACHE_QUOTA_GB` sets it; without it nothing is ever evicted. In use is what a process holds by `hold` (the
worker does, as long as a model is loaded), what is being fetched, and what was asked for within the last minute.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from data.errors import ModelError
from data.files import forget_sha256, model_files, size_text
from data.settings import CACHE_QUOTA_GB

FRESH_S = 60.0
"""From being asked for until a worker holds it, a file is protected by its time of use alone."""


@dataclass(frozen=True, kw_only=True)
class CachedModel:
    """A model in the cache; `path` is its file, or the first part of its set."""

    path: Path
    size_bytes: int
    used_s: float
    in_use: bool


def quota_bytes() -> int | None:
    """The limit; None without one.

    Raises:
        ModelError: It is not a positive number.
    """
    text = CACHE_QUOTA_GB.read()
    try:
        quota = float(text) if text else None
    except ValueError:
        quota = -1.0
    if quota is not None and not 0 < quota < 1e6:
        raise ModelError(f"{CACHE_QUOTA_GB.name} is {text!r}; it must be a positive number of gigabytes")
    return None if quota is None else int(quota * 1e9)


def hold(path: Path) -> IO[bytes]:
    """Keep a file from being evicted until what is returned is closed, or this process ends."""
    file = path.open("rb")
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def note_use(path: Path) -> None:
    """Remember that the model was asked for now."""
    try:
        _stamp(path).parent.mkdir(exist_ok=True)
        _stamp(path).touch()
    except OSError:  # a cache that can only be read is used all the same
        return


def cached_models(models: Path, *, now_s: float | None = None) -> list[CachedModel]:
    """Every fetched model, the least recently used first."""
    now = time.time() if now_s is None else now_s
    found = []
    for path in models.glob("*/*.gguf"):
        files = [file for file in model_files(path) if file == path or file.exists()]
        if path != files[0]:
            continue
        stamp = _stamp(path)
        used = (stamp if stamp.exists() else path).stat().st_mtime
        busy = now - used < FRESH_S or _is_held(path)
        found.append(
            CachedModel(path=path, size_bytes=sum(file.stat().st_size for file in files), used_s=used, in_use=busy)
        )
    return sorted(found, key=lambda model: model.used_s)


def make_room(models: Path, needed_bytes: int, model_id: str, *, now_s: float | None = None) -> list[Path]:
    """Evict until the quota leaves room for a model about to be written; returns what went.

    Raises:
        ModelError: It cannot fit; nothing was evicted then.
    """
    quota = quota_bytes()
    if quota is None:
        return []
    if needed_bytes > quota:
        raise ModelError(
            f"{model_id} needs {size_text(needed_bytes)}, the cache may hold {size_text(quota)}; {_raise()}"
        )
    with _one_at_a_time(models):
        there = cached_models(models, now_s=now_s)
        excess = sum(model.size_bytes for model in there) + needed_bytes - quota
        idle = [model for model in there if not model.in_use]
        if excess > sum(model.size_bytes for model in idle):
            used = sum(model.size_bytes for model in there) - sum(model.size_bytes for model in idle)
            raise ModelError(
                f"{model_id} needs {size_text(needed_bytes)}, but {size_text(used)} of the cache's {size_text(quota)} "
                f"are in use; try again when fewer models are, or {_raise()}"
            )
        return _evict(idle, excess)


def _evict(idle: list[CachedModel], excess: int) -> list[Path]:
    gone = []
    for model in idle:
        if excess <= 0:
            break
        for file in model_files(model.path):
            file.unlink(missing_ok=True)
            forget_sha256(file)
        _stamp(model.path).unlink(missing_ok=True)
        excess -= model.size_bytes
        gone.append(model.path)
    return gone


def _is_held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _stamp(path: Path) -> Path:
    return path.parents[2] / "used" / path.stem


@contextmanager
def _one_at_a_time(models: Path) -> Iterator[None]:
    from filelock import FileLock

    with FileLock(models / "quota.lock"):
        yield


def _raise() -> str:
    return f"raise {CACHE_QUOTA_GB.name}, or `python -m data.models remove` one"
