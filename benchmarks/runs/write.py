"""Writes a run: rows are appended and flushed one by one, so that a killed run loses at most the samples in flight."""

import contextlib
import dataclasses
import fcntl
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from benchmarks.runs.read import MANIFEST_NAME, SAMPLES_NAME, Row, RunError
from data.files import write_atomically


class RunWriter:
    """Appends rows to a run's directory; one process at a time.

    Opening an interrupted run cuts off its torn last line.

    Raises:
        RunError: Another process is writing to the directory, or it cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        path = directory / SAMPLES_NAME
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as on_failure:
                self._file = on_failure.enter_context(path.open("ab", buffering=0))
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
                on_failure.pop_all()  # from here on, close() closes it
        except BlockingIOError:
            raise RunError(f"{directory}: another process is writing to this run; wait until it ends") from None
        except OSError as error:
            raise RunError(f"{directory}: cannot be written ({error.strerror}); choose another --out") from None

    def write(self, row: Row) -> None:
        """Append a row and wait until it is on disk.

        Raises:
            RunError: The disk is full or failing; the rows before this one stay.
        """
        line = json.dumps(without_nan(dataclasses.asdict(row)), ensure_ascii=False, allow_nan=False) + "\n"
        rest = memoryview(line.encode("utf-8", "replace"))
        try:
            while rest:  # a nearly full disk takes a part, then fails
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            raise RunError(
                f"{self.directory}: cannot write ({error.strerror}); what was measured so far is kept: "
                "make room, then run again with --resume"
            ) from None

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def write_manifest(directory: Path, manifest: Mapping[str, Any]) -> None:
    """Replace `run.json` in one step: readers see the old or the new one. It counts the samples there are now.

    Raises:
        RunError: The disk is full or failing.
    """
    path = directory / MANIFEST_NAME
    try:
        samples = directory / SAMPLES_NAME
        manifest = {**manifest, "rows": _lines(samples) if samples.exists() else 0}
        write_atomically(path, json.dumps(without_nan(manifest), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror}); make room or choose another --out") from None


def _lines(samples: Path) -> int:
    with samples.open("rb") as lines:  # one by one: the file may be large
        return sum(1 for line in lines if line.endswith(b"\n") and line.strip())


def without_nan(value: Any) -> Any:
    """The same value with null for NaN and infinities, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return value
