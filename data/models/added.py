"""Models that a person has added: entries made from a path or a Hub repository, in a registry file of their own."""

import contextlib
import re
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import ModelError
from data.files import (
    is_gguf_name,
    model_files,
    model_sha256,
    model_size_bytes,
    model_stem,
    remembered_model_sha256,
    write_atomically,
)
from data.gguf.facts import facts_of, why_no_text
from data.gguf.header import GGUFError, GGUFHeader
from data.gguf.split import read_model
from data.hub.address import HubSource
from data.models.entries import FileSource, ModelEntry, RegistryError
from data.models.fetch import local_path
from data.models.registry import parse_registry, registry_toml
from data.paths import added_models_path

_REPO = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_QUANTIZATION = re.compile(r"(?i)(?<![a-z0-9])(i?q\d(?:_[a-z0-9]+)*|tq\d_\d|mxfp4|nvfp4|b?f16|f32)(?![a-z0-9])")
_BY_NAME = " (by its name)"
MOST_CHARACTERS = 80
_RECENT_S, _LOOK_S = 30.0, 0.4
"""A file that changed so lately is looked at again after a moment: somebody may be writing it."""
_UNKNOWN, _NOT_STATED, _ON_ITS_PAGE = "unknown", "not stated", "see its page on the Hub"


def repository_name(text: str) -> str:
    """A repository's name from what a person has typed or pasted.

    Raises:
        ModelError: It is none.
    """
    repo = text.strip().removeprefix("https://huggingface.co/").partition("/tree/")[0].strip("/")
    if not _REPO.fullmatch(repo):
        raise ModelError(f"{repo[:80]!r} is not a repository; write OWNER/NAME")
    return repo


def hub_entry(repo: str, file: str, known: Mapping[str, ModelEntry], *, sha256: str | None = None) -> ModelEntry:
    """An entry for a file of a Hub repository, or for the set that it is a part of; the first fetch pins it.

    What its metadata say is not known before; `completed` puts it in the place of guesses.

    Args:
        sha256: What the Hub says of the file, to find out whether it is on the list already.

    Raises:
        ModelError: Not a repository's name, not a GGUF's, or on the list already.
    """
    repo, file = repository_name(repo), file.strip()
    if not is_gguf_name(file) or ".." in file or file.startswith("/"):
        raise ModelError(f"{file[:80]!r} is not a GGUF of a repository; write its path there, ending in .gguf")
    source = HubSource(repo=repo, file=file).files[0]
    for entry in known.values():
        files = [each.files[0] for each in entry.sources if isinstance(each, HubSource)]
        same_file = (repo, source.file) in [(file.repo, file.file) for file in files]
        if same_file or (sha256 and sha256 in (entry.sha256, _remembered(entry, known))):
            raise _there_already(source.file, entry)
    stem = model_stem(Path(file).name)
    return ModelEntry(
        id=_new_id(stem, known),
        label=stem,
        base=repo,
        size="?",
        quantization=_guessed_quantization(stem),
        licence=_ON_ITS_PAGE,
        source=source,
    )


def file_entry(
    path_text: str, known: Mapping[str, ModelEntry], *, pause: Callable[[], None] = lambda: time.sleep(_LOOK_S)
) -> ModelEntry:
    """An entry for a GGUF on this machine, or for the set that it is a part of, read where it lies.

    Args:
        pause: Waits for a moment, between two looks at a file that has changed lately.

    Raises:
        ModelError: No such file, one that is being written, not a GGUF that can be opened and writes text, or on the
            list already: of a file that is as large as one there, the whole is read.
    """
    path = model_files(_path(path_text.strip()))[0]
    try:
        _refuse_growing(path, pause)
        header = read_model(path)
    except (GGUFError, OSError) as error:
        raise ModelError(f"{path.name}: {error}") from None
    if problem := why_no_text(header):
        raise ModelError(f"{path.name}: {problem}")
    for entry in known.values():
        if _is_same(path, entry, known):
            raise _there_already(path.name, entry)
    return _from_metadata(path, header, known)


def edited(entry: ModelEntry, label: str, licence: str, known: Mapping[str, ModelEntry]) -> ModelEntry:
    """The entry under another name and licence; an empty licence is "not stated".

    Raises:
        ModelError: No name, too long a name or licence, or another model's name.
    """
    label, licence = " ".join(label.split()), " ".join(licence.split()) or _NOT_STATED
    if not label:
        raise ModelError(f"{entry.label} needs a name; write one")
    for name, text in (("name", label), ("licence", licence)):
        if len(text) > MOST_CHARACTERS:
            raise ModelError(f"the {name} has {len(text)} characters; {MOST_CHARACTERS} are possible")
    if other := next((each.id for each in known.values() if each.label == label and each.id != entry.id), None):
        raise ModelError(f"{label!r} is the name of another model, {other}; choose another")
    return replace(entry, label=label, licence=licence)


def quantization_by_name(name: str) -> str:
    """What a file's name says, lower case; empty where it says nothing."""
    match = _QUANTIZATION.search(name)
    return match[1].lower() if match else ""


def completed(entry: ModelEntry, header: GGUFHeader) -> ModelEntry:
    """The entry with what its file's metadata say, where it only guessed or knew nothing."""
    facts, guessed = facts_of(header), _guesses_quantization(entry)
    return replace(
        entry,
        size=facts.size if entry.size == "?" else entry.size,
        quantization=(facts.quantization if guessed else "") or entry.quantization,
        licence=(facts.licence if entry.licence in (_NOT_STATED, _ON_ITS_PAGE) else "") or entry.licence,
    )


def has_guesses(entry: ModelEntry) -> bool:
    """Whether `completed` may say more of the entry."""
    return entry.size == "?" or _guesses_quantization(entry) or entry.licence in (_NOT_STATED, _ON_ITS_PAGE)


def save_added(entries: Iterable[ModelEntry]) -> None:
    """Write the added entries as a registry file, which `load_registry` reads everywhere.

    Raises:
        ModelError: It cannot be written.
    """
    path = added_models_path()
    text = registry_toml(entries)
    try:
        text.encode()
        parse_registry(text, path)
        write_atomically(path, text)
    except (UnicodeError, RegistryError) as error:  # what is on disk stays: a broken file would end every later start
        raise ModelError(f"{path}: cannot hold this entry ({error})") from None
    except OSError as error:
        raise ModelError(f"{path}: cannot be written ({error.strerror})") from None


def _from_metadata(path: Path, header: GGUFHeader, known: Mapping[str, ModelEntry]) -> ModelEntry:
    facts, stem = facts_of(header), model_stem(path.name)
    label = " · ".join(filter(None, (facts.name, facts.quantization.upper()))) if facts.name else stem
    if any(entry.label == label for entry in known.values()):
        label = f"{label} ({stem})"
    return ModelEntry(
        id=_new_id(stem, known),
        label=label,
        base=facts.base or facts.name or header.architecture,
        size=facts.size,
        quantization=facts.quantization or _guessed_quantization(stem),
        licence=facts.licence or _NOT_STATED,
        source=FileSource(path=path),
        file_size_bytes=model_size_bytes(path),
    )


def _path(text: str) -> Path:
    """The file at an absolute path."""
    try:
        path = Path(text).expanduser()
        mode = path.stat().st_mode if path.is_absolute() else 0
    except OSError as error:  # not there, too long, or a link that leads in a circle
        raise ModelError(f"no file at {text[:200]!r} ({error.strerror}); write its whole path") from None
    except (RuntimeError, ValueError):  # no such user, a null character
        mode = 0
    if stat.S_ISDIR(mode):
        raise ModelError(f"no file at {text[:200]!r}, which is a folder; write the path of a GGUF in it")
    if not stat.S_ISREG(mode):
        raise ModelError(f"no file at {text[:200]!r}; write its whole path")
    return path


def _refuse_growing(path: Path, pause: Callable[[], None]) -> None:
    before = path.stat()
    if time.time() - before.st_mtime > _RECENT_S:
        return
    pause()
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        grown = f"it grew by {after.st_size - before.st_size:,} bytes while it was looked at"
        raise ModelError(f"{path.name} is being written ({grown}); add it when that is done")


def _is_same(path: Path, entry: ModelEntry, known: Mapping[str, ModelEntry]) -> bool:
    """Whether the entry has this very file, or the same bytes; files are read only where their sizes agree."""
    here = local_path(entry, known)
    with contextlib.suppress(OSError):
        if here is not None and here.samefile(path):
            return True
        size = model_size_bytes(path)
        if entry.sha256 is not None:
            return entry.file_size_bytes in (None, size) and entry.sha256 == model_sha256(path)
        if here is not None and model_size_bytes(here) == size:
            return model_sha256(here) == model_sha256(path)
    return False


def _remembered(entry: ModelEntry, known: Mapping[str, ModelEntry]) -> str | None:
    """The digest of an entry's file where it is here and was read before."""
    here = local_path(entry, known)
    return remembered_model_sha256(here) if here else None


def _guesses_quantization(entry: ModelEntry) -> bool:
    return entry.quantization == _UNKNOWN or entry.quantization.endswith(_BY_NAME)


def _there_already(name: str, entry: ModelEntry) -> ModelError:
    return ModelError(f"{name} is on the list already, as {entry.label} ({entry.id})")


def _new_id(stem: str, known: Mapping[str, ModelEntry]) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "model"
    return next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if each not in known)


def _guessed_quantization(stem: str) -> str:
    known = quantization_by_name(stem)
    return known + _BY_NAME if known else _UNKNOWN
