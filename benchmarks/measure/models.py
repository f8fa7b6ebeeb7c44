"""The models of a run: looked up, fetched, and each given a worker process of its own."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.config import Config, original
from benchmarks.engine.contract import Engine, EngineError, LoadOptions
from benchmarks.engine.worker import WorkerEngine
from benchmarks.measure.manifest import UNKNOWN_SHA256
from benchmarks.measure.sample import ModelUnderTest
from benchmarks.runs.read import AGAIN
from data.errors import ModelError
from data.files import is_gguf_name, model_files, model_sha256, model_size_bytes, model_stem
from data.gguf.facts import facts_of
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.models.added import completed
from data.models.entries import ModelEntry, Registry
from data.models.fetch import fetch
from data.models.registry import get, load_registry
from data.progress import Progress

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is to be measured, and what the manifest says of it.

    Attributes:
        facts: label, base, size, rank, quantization, licence.
        path: None where the file could not be had; `error` says why.
    """

    id: str
    sha256: str
    facts: dict[str, Any]
    path: Path | None = None
    error: str | None = None


def find_subjects(config: Config, say: Say) -> list[Subject]:
    """Fetch every model of a configuration; one that cannot be had keeps its reason.

    Raises:
        RegistryError: An id is not in the registry.
    """
    found = dict(zip(_files(config), _find(config, say), strict=True))
    return [_arm(found[original(model)], model) for model in config.models]


def _files(config: Config) -> list[str]:
    return [model for model in config.models if original(model) == model]


def _arm(subject: Subject, model: str) -> Subject:
    """The subject itself, or the second arm of the same file."""
    if not model.endswith(AGAIN):
        return subject
    facts = {**subject.facts, "label": f"{subject.facts['label']} again"}
    return dataclasses.replace(subject, id=subject.id + AGAIN, facts=facts)


def _find(config: Config, say: Say) -> list[Subject]:
    if config.engine == "scripted":
        return [_script(Path(model)) for model in _files(config)]

    registry = load_registry()
    entries = {
        model: get(registry, model) for model in _files(config) if not is_gguf_name(model)
    }  # unknown ids fail first
    return [
        _fetched(entries[model], registry, say) if model in entries else _file(Path(model)) for model in _files(config)
    ]


def _file(path: Path) -> Subject:
    """A GGUF that is in no registry, such as one of random weights; its own name is its label."""
    path, name = model_files(path)[0], model_stem(path.name)
    facts: dict[str, Any] = {"label": name, "base": "file", "size": None, "rank": None, "quantization": None}
    try:
        said, sha256 = facts_of(read_model(path)), model_sha256(path)
    except (GGUFError, OSError) as error:
        reason = f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        return Subject(id=name, sha256=UNKNOWN_SHA256 + name, facts=facts, error=reason)
    facts |= {"size": said.size, "quantization": said.quantization or None, "licence": said.licence or None}
    facts |= {"file_size_bytes": model_size_bytes(path), "label": f"{name} ({said.name})" if said.name else name}
    return Subject(id=name, sha256=sha256, facts=facts, path=path.absolute())


def under_test(subject: Subject, config: Config, *, sequences: int = 1) -> ModelUnderTest:
    """The subject with a way to open it in its own worker; nothing is loaded yet."""
    options = LoadOptions(
        context_tokens=config.context_tokens,
        sequences=sequences,
        threads=config.threads or None,
        bulk=sequences > 1,
    )

    def open_engine() -> Engine:
        if subject.path is None:
            raise EngineError(subject.error or "the model's file is not here")
        return WorkerEngine(subject.path, options, engine=config.engine)

    return ModelUnderTest(id=subject.id, sha256=subject.sha256, open_engine=open_engine)


def _fetched(entry: ModelEntry, registry: Registry, say: Say) -> Subject:
    try:
        path = fetch(entry, registry, progress=_Announcer(say))
        sha256, entry = model_sha256(path), completed(entry, read_model(path))
    except (ModelError, GGUFError, OSError) as error:
        sha256 = entry.sha256 or UNKNOWN_SHA256 + entry.id
        return Subject(id=entry.id, sha256=sha256, facts=_facts(entry), error=str(error))
    facts = {**_facts(entry), "file_size_bytes": model_size_bytes(path)}
    return Subject(id=entry.id, sha256=sha256, facts=facts, path=path)


def _facts(entry: ModelEntry) -> dict[str, Any]:
    names = ("label", "base", "size", "rank", "quantization", "licence")
    return {name: getattr(entry, name) for name in names}


def _script(path: Path) -> Subject:
    facts = {"label": path.stem, "base": "script", "size": "0", "rank": None, "quantization": "none", "licence": "–"}
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"{path}: cannot be read ({error.strerror})"
        return Subject(id=path.stem, sha256=UNKNOWN_SHA256 + path.stem, facts=facts, error=reason)
    return Subject(id=path.stem, sha256=hashlib.sha256(content).hexdigest(), facts=facts, path=path.absolute())


@dataclass(kw_only=False)
class _Announcer:
    """Says when a stage of fetching begins, and every tenth of it."""

    say: Say
    last: tuple[str, str, int] | None = None

    def __call__(self, progress: Progress) -> None:
        tenth = 10 * progress.done_bytes // progress.total_bytes if progress.total_bytes else 0
        now = (progress.model_id, progress.stage, tenth)
        if now != self.last:
            self.last = now
            self.say(f"{progress.model_id}: {progress.stage} {10 * tenth}%")


def model_facts(subject: Subject, model: ModelUnderTest) -> dict[str, Any]:
    """What a run's manifest says of one model."""
    return {
        **subject.facts,
        "sha256": subject.sha256,
        "info": dataclasses.asdict(model.engine.info) if model.engine else None,
        "restarts": model.restarts,
        "peak_rss_bytes": model.peak_rss_bytes,
        "error": subject.error or model.error,
    }
