"""Models that the operator has added from the page: a registry file beside the project's own. No Streamlit here."""

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import ModelError
from data.files import write_atomically
from data.gguf.header import GGUFError, read_header
from data.models.registry import FileSource, HubSource, ModelEntry, RegistryError, load_registry

FILE_NAME = "models.toml"
_REPO = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_QUANTIZATION = re.compile(r"(?i)(iq\d\w*|q\d(?:_\w+)?|f16|f32|bf16)(?=\.gguf$|-\d{5}-of)")


def load_added(directory: Path, known: Mapping[str, ModelEntry]) -> dict[str, ModelEntry]:
    """The added entries; ids that the project's registry has taken meanwhile are left out.

    Raises:
        RegistryError: The file is broken; the message names it.
    """
    path = directory / FILE_NAME
    added = load_registry(path) if path.exists() else {}
    return {model_id: entry for model_id, entry in added.items() if model_id not in known}


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


def save_added(directory: Path, entries: Mapping[str, ModelEntry]) -> None:
    """Write the added entries as a registry file.

    Raises:
        ModelError: It cannot be written.
    """
    text = "\n".join(_table(entry) for entry in entries.values())
    try:
        tomllib.loads(text)
        write_atomically(directory / FILE_NAME, text)
    except ValueError as error:  # what is on disk stays as it is: a broken file would end every later start
        raise ModelError(f"{directory / FILE_NAME}: cannot hold this entry ({error})") from None
    except OSError as error:
        raise ModelError(f"{directory / FILE_NAME}: cannot be written ({error.strerror})") from None


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


def _table(entry: ModelEntry) -> str:
    values = {"id": entry.id, "label": entry.label, "base": entry.base, "size": entry.size}
    values |= {"quantization": entry.quantization, "licence": entry.licence}
    lines = ["[[model]]", *(f"{key} = {_text(value)}" for key, value in values.items())]
    if entry.file_size_bytes:
        lines.append(f"file_size_bytes = {entry.file_size_bytes}")
    source = entry.source
    if isinstance(source, HubSource):
        lines.append(f'source = {{ kind = "hf", repo = {_text(source.repo)}, file = {_text(source.file)} }}')
    elif isinstance(source, FileSource):
        lines.append(f'source = {{ kind = "file", path = {_text(str(source.path))} }}')
    else:
        raise RegistryError(f"{entry.id}: only Hub files and local files can be added")
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    """A JSON string is a TOML basic string too, once DEL is escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _size_text(parameters: int) -> str:
    return f"{parameters / 1e9:.1f}B" if parameters >= 1e9 else f"{parameters / 1e6:.0f}M"
