"""Models that a server has: what the registry may say of one, and the small file that stands for it on this machine.

    cache/models/ID/ID-<first 12 digits of its sha256>.openai.json

The file has the address, the model's name there and the name of the key's variable, never a key. Its sha256 stands in
the place of a GGUF's: what the server has behind the name, nobody here knows.
"""

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from data.errors import ModelError
from data.files import write_atomically
from data.models.cache import model_directory
from data.models.entries import ModelEntry, OpenAISource
from data.records import build, read_json

_ENDING = ".openai.json"
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")


def why_no_server(source: OpenAISource) -> str | None:
    """Why this server is not to be asked; no message shows what may be a key."""
    if source.key is not None and not _VARIABLE.fullmatch(source.key):
        return "key must be the name of an environment variable, such as LLAMA_API_KEY, and never the key itself"
    if (source.usd_per_million_in is None) != (source.usd_per_million_out is None):
        return "of usd_per_million_in and usd_per_million_out it has one; give both, or neither"
    try:
        parts = urlsplit(source.url)
        _ = parts.port
    except ValueError:
        return "url is no address; write one such as http://localhost:8080/v1"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "url holds a user, a password or a query; leave them out, and name the key's variable in key"
    if parts.scheme not in ("http", "https") or not parts.hostname or not source.url.isprintable():
        return f"url is {source.url!r}; it must begin with http:// or https://, such as http://localhost:8080/v1"
    return None


def is_address(path: Path) -> bool:
    """Whether a model's file is none of weights, but says which server has it."""
    return path.name.endswith(_ENDING)


def address_file(entry: ModelEntry) -> Path:
    """The file that stands for a served model, written where it is not there yet.

    Raises:
        OSError: It cannot be written.
    """
    assert isinstance(entry.source, OpenAISource)
    return write_address(entry.source, model_directory(entry))


def write_address(source: OpenAISource, folder: Path) -> Path:
    """The file that says where this is, in a folder.

    Raises:
        OSError: It cannot be written.
    """
    content = json.dumps({"url": source.url, "model": source.model, "key": source.key}, indent=1) + "\n"
    sha256 = hashlib.sha256(content.encode()).hexdigest()
    path = folder / f"{folder.name}-{sha256[:12]}{_ENDING}"
    if not path.is_file() or path.read_text(encoding="utf-8") != content:
        write_atomically(path, content)
    return path


def read_address(path: Path) -> OpenAISource:
    """Where the model is served.

    Raises:
        ModelError: It is no such file.
    """
    source = build(OpenAISource, read_json(path, ModelError), lambda text: ModelError(f"{path.name}: {text}"))
    if problem := why_no_server(source):
        raise ModelError(f"{path.name}: {problem}")
    return source
