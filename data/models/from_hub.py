"""Bring the files of a Hub entry into its directory of the cache, under temporary names: one file, or a set's parts."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import ModelError
from data.files import joint_sha256, require_space
from data.gguf.facts import why_no_text
from data.gguf.header import GGUFError, read_header
from data.gguf.split import refuse_misnamed_part
from data.hub import download
from data.hub.address import HubSource
from data.models.cache import discard, empty, model_directory, models_dir
from data.models.entries import ModelEntry, Registry
from data.models.lock import Pin, write_pin
from data.models.quota import make_room
from data.progress import IsCancelled, OnProgress, counted_from, reporter

FIRST_LOOK_BYTES = 2**20


def download_model(
    entry: ModelEntry, source: HubSource, pin: Pin, registry: Registry, progress: OnProgress, cancelled: IsCancelled
) -> tuple[Pin, list[Path]]:
    """Download what is not here yet; returns what the Hub says of the model, and its files.

    An entry without a sha256 is locked before the download, so that a resumed one is of the same commit.

    Raises:
        ModelError: The Hub has other bytes than pinned, or not the whole set; no space; or no text generator.
        FetchCancelled: `cancelled()` became true; what came is kept.
    """
    remotes = _look_up(entry, source, pin)
    pin = _completed(entry, pin, remotes)
    if entry.sha256 is None and pin.sha256:
        write_pin(entry, registry, pin)
    directory = model_directory(entry)
    partials = [directory / _partial_name(remote, number, len(remotes)) for number, remote in enumerate(remotes)]
    empty(directory, keep=partials, pattern="*.partial")
    total = sum(remote.size_bytes or 0 for remote in remotes)
    make_room(models_dir(), total, entry.id)
    require_space(directory, total - sum(map(download.size_of, partials)), entry.id)
    report = reporter(entry.id, "download", total or None, progress)
    before = 0
    for remote, partial in zip(remotes, partials, strict=True):
        on_bytes = counted_from(before, report)
        if len(remotes) == 1:
            on_bytes = _Look(entry=entry, remote=remote, partial=partial, report=report)
        download.download(remote, partial, on_bytes=on_bytes, cancelled=cancelled)
        before += download.size_of(partial)
    return pin, partials


def _look_up(entry: ModelEntry, source: HubSource, pin: Pin) -> list[download.RemoteFile]:
    """All files at one commit."""
    first, *others = source.files
    try:
        found = [download.look_up(first, pin.revision)]
        return found + [download.look_up(other, found[0].revision) for other in others]
    except download.RevisionGoneError as error:
        if pin.revision == source.revision:
            raise
        raise ModelError(f"{error}, or `python -m data.models remove {entry.id}` forgets the lock") from error


def _completed(entry: ModelEntry, pin: Pin, remotes: Sequence[download.RemoteFile]) -> Pin:
    """The pin with what the Hub says; a model that is pinned to other bytes is refused."""
    parts = tuple(remote.sha256 for remote in remotes if remote.sha256)
    sha256 = joint_sha256(parts) if len(parts) == len(remotes) else None
    first = remotes[0]
    if pin.sha256 and sha256 and pin.sha256 != sha256:
        raise ModelError(
            f"{entry.id}: wrong sha256: {first.source.repo}/{first.source.file} has {sha256}, expected {pin.sha256}; "
            f"nothing was downloaded; correct the registry, or `python -m data.models remove {entry.id}` forgets a lock"
        )
    sizes = [remote.size_bytes for remote in remotes]
    return Pin(
        sha256=pin.sha256 or sha256,
        revision=first.revision,
        file_size_bytes=sum(filter(None, sizes)) if None not in sizes else None,
        parts=parts if sha256 and len(parts) > 1 else (),
    )


def _partial_name(remote: download.RemoteFile, number: int, count: int) -> str:
    return f"{remote.key}-{number}.partial" if count > 1 else f"{remote.key}.partial"


@dataclass(kw_only=True)
class _Look:
    """Reads a header as soon as it has arrived, so that gigabytes of what is no text generator do not follow it."""

    entry: ModelEntry
    remote: download.RemoteFile
    partial: Path
    report: Callable[[int], None]
    next_bytes: float = FIRST_LOOK_BYTES

    def __call__(self, done: int) -> None:
        self.report(done)
        if done < self.next_bytes or self.remote.size_bytes is None:
            return
        self.next_bytes *= 8
        try:
            header = read_header(self.partial, whole_bytes=self.remote.size_bytes)
        except GGUFError:  # most often because not all of it is here; at the end it is read again
            return
        self.next_bytes = math.inf
        try:
            refuse_misnamed_part(header)
            problem = why_no_text(header)
        except GGUFError as error:
            problem = str(error)
        if problem:
            discard(self.partial)
            raise ModelError(f"{self.entry.id}: {problem}; nothing was kept of it")
