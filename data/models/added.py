"""Models that a person has added: entries made from a path or a Hub repository, in a registry file of their own."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import ModelError
from data.files import write_atomically
from data.gguf.header import GGUFError, read_header
from data.hub.address import HubSource
from data.models.entries import FileSource, ModelEntry, RegistryError
from data.models.registry import parse_registry, registry_toml
from data.paths import added_models_path

_REPO = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_QUANTIZATION = re.compile(r"(?i)(iq\d\w*|q\d(?:_\w+)?|f16|f32|bf16)(?=\.gguf$|-\d{5}-of)")


def hub_entry(repo: str, file: str, known: Mapping[str, ModelEntry], *, licence: str = "") -> ModelEntry:
    """An entry for a file of a Hub repository; the first fetch pins its commit and sha256.

    Raises:
        ModelError: Not a repository's name, or not a GGUF's.
    """
    repo, file = repo.strip().removeprefix("https://huggingface.co/").strip("/"), file.strip()
    if not _REPO.fullmatch(repo):
        raise ModelError(f"{repo[:80]!r} is not a repository; write OWNER/NAME")
    if not file.endswith(".gguf") or ".." in file or file.startswith("/"):
        raise ModelError(f"{file[:80]!r} is not a GGUF of a repository; write its path there, ending in .gguf")
    source = HubSource(repo=repo, file=file)
    return _entry(Path(file).name, repo, known, source=source, licence=licence or "see its page on the Hub")


def file_entry(path_text: str, known: Mapping[str, ModelEntry], *, licence: str = "") -> ModelEntry:
    """An entry for a GGUF on this machine, read where it lies.

    Raises:
        ModelError: No such file, or it is not a GGUF that can be opened.
    """
    path = _path(path_text.strip())
    try:
        header = read_header(path)
    except (GGUFError, OSError) as error:
        raise ModelError(f"{path.name}: {error}") from None
    base = header.name or header.architecture or path.stem
    entry = _entry(path.name, base, known, source=FileSource(path=path), licence=licence or "not stated")
    return replace(entry, size=_size_text(header.tensor_elements), file_size_bytes=path.stat().st_size)


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


def _path(text: str) -> Path:
    try:
        path = Path(text).expanduser()
        if path.is_absolute() and path.is_file():
            return path
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a null character
        pass
    raise ModelError(f"no file at {text[:200]!r}; write its whole path")


def _entry(
    file_name: str, base: str, known: Mapping[str, ModelEntry], *, source: HubSource | FileSource, licence: str
) -> ModelEntry:
    stem = file_name.removesuffix(".gguf")
    plain = re.sub(r"[^a-z0-9._-]+", "-", stem.lower()).strip("-._") or "model"
    model_id = next(each for each in (plain, *(f"{plain}-{n}" for n in range(2, 1000))) if each not in known)
    quantization = match.group(1).lower() if (match := _QUANTIZATION.search(file_name)) else "unknown"
    return ModelEntry(
        id=model_id, label=stem, base=base, size="?", quantization=quantization, licence=licence, source=source
    )


def _size_text(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
