"""Models that a person has added: entries made from a path or a Hub repository, in a registry file of their own."""

import contextlib
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import ModelError
from data.files import (
    is_gguf_name,
    model_files,
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
_UNKNOWN, _NOT_STATED, _ON_ITS_PAGE = "unknown", "not stated", "see its page on the Hub"


def hub_entry(repo: str, file: str, known: Mapping[str, ModelEntry]) -> ModelEntry:
    """An entry for a file of a Hub repository, or for the set that it is a part of; the first fetch pins it.

    What its metadata say is not known before; `completed` puts it in the place of guesses.

    Raises:
        ModelError: Not a repository's name, not a GGUF's, or on the list already.
    """
    repo, file = repo.strip().removeprefix("https://huggingface.co/").strip("/"), file.strip()
    if not _REPO.fullmatch(repo):
        raise ModelError(f"{repo[:80]!r} is not a repository; write OWNER/NAME")
    if not is_gguf_name(file) or ".." in file or file.startswith("/"):
        raise ModelError(f"{file[:80]!r} is not a GGUF of a repository; write its path there, ending in .gguf")
    source = HubSource(repo=repo, file=file).files[0]
    for entry in known.values():
        files = [each.files[0] for each in entry.sources if isinstance(each, HubSource)]
        if (repo, source.file) in [(file.repo, file.file) for file in files]:
            raise _there_already(source.file, entry)
    stem = model_stem(Path(file).name)
    return ModelEntry(
        id=_new_id(stem, known),
        label=stem,
        base=repo,
        size="?",
        quantization=_quantization_by_name(stem),
        licence=_ON_ITS_PAGE,
        source=source,
    )


def file_entry(path_text: str, known: Mapping[str, ModelEntry]) -> ModelEntry:
    """An entry for a GGUF on this machine, or for the set that it is a part of, read where it lies.

    Raises:
        ModelError: No such file, not a GGUF that can be opened and writes text, or on the list already.
    """
    path = model_files(_path(path_text.strip()))[0]
    try:
        header = read_model(path)
    except (GGUFError, OSError) as error:
        raise ModelError(f"{path.name}: {error}") from None
    if problem := why_no_text(header):
        raise ModelError(f"{path.name}: {problem}")
    for entry in known.values():
        if _is_same(path, entry, known):
            raise _there_already(path.name, entry)
    return _from_metadata(path, header, known)


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
    label = f"{facts.name} {facts.quantization.upper()}".strip() if facts.name else stem
    if any(entry.label == label for entry in known.values()):
        label = f"{label} ({stem})"
    return ModelEntry(
        id=_new_id(stem, known),
        label=label,
        base=facts.base or facts.name or header.architecture,
        size=facts.size,
        quantization=facts.quantization or _quantization_by_name(stem),
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


def _is_same(path: Path, entry: ModelEntry, known: Mapping[str, ModelEntry]) -> bool:
    """Whether the entry has this very file, or is known to have the same bytes; no file is read for it."""
    here = local_path(entry, known)
    with contextlib.suppress(OSError):
        if here is not None and here.samefile(path):
            return True
    return entry.sha256 is not None and entry.sha256 == remembered_model_sha256(path)


def _guesses_quantization(entry: ModelEntry) -> bool:
    return entry.quantization == _UNKNOWN or entry.quantization.endswith(_BY_NAME)


def _there_already(name: str, entry: ModelEntry) -> ModelError:
    return ModelError(f"{name} is on the list already, as {entry.label} ({entry.id})")


def _new_id(stem: str, known: Mapping[str, ModelEntry]) -> str:
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "model"
    return next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if each not in known)


def _quantization_by_name(stem: str) -> str:
    match = _QUANTIZATION.search(stem)
    return match[1].lower() + _BY_NAME if match else _UNKNOWN
