"""The models of a run: looked up, fetched, and each given a worker process of its own."""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.config import Config, original
from benchmarks.engine.ask import Reply, ask
from benchmarks.engine.contract import Engine, EngineError, LoadOptions, Request
from benchmarks.engine.worker import beside_others
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.manifest import UNKNOWN_SHA256
from benchmarks.runs.read import AGAIN
from data.errors import ModelError
from data.files import is_gguf_name, model_files, model_sha256, model_size_bytes, model_stem
from data.gguf.facts import facts_of
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.models.added import completed
from data.models.entries import ModelEntry, OpenAISource, Registry
from data.models.fetch import fetch
from data.models.registry import get, load_registry
from data.progress import Progress

MAX_RESTARTS = 2
Say = Callable[[str], None]


@dataclass(kw_only=True)
class ModelUnderTest:
    """A model that is measured: its file, what the manifest says of it, and the engine that serves it once loaded.

    A worker that dies is started again, unless it dies again and again.

    Attributes:
        facts: label, base, size, rank, quantization, licence.
        open_engine: Loads the model; raises EngineError where it cannot.
        path: None where the file could not be had; `error` says why.
        restarts: Of the whole run.
        patience: So many restarts without an answer in between, and the model is given up.
    """

    id: str
    sha256: str
    open_engine: Callable[[], Engine]
    facts: dict[str, Any] = field(default_factory=dict)
    path: Path | None = None
    error: str | None = None
    engine: Engine | None = None
    peak_rss_bytes: int | None = None
    restarts: int = 0
    patience: int = MAX_RESTARTS
    _in_vain: int = field(default=0, init=False)

    def load(self) -> None:
        """Open the engine; a model that cannot load keeps the reason in `error`."""
        try:
            self.engine, self.error = self.open_engine(), None
        except EngineError as error:
            self.error = str(error)

    def ask(self, request: Request) -> Reply:
        """Run one request to its end, alone."""
        self.revive()
        if self.engine is None:
            return Reply(error=self.error or "the model is not loaded")
        reply = ask(self.engine, request)
        self.note_answer(reply)
        return reply

    def note_memory(self) -> None:
        """Keep the highest memory that the worker reports."""
        now = self.engine.peak_rss_bytes if self.engine and not self.served else None
        self.peak_rss_bytes = max((known for known in (now, self.peak_rss_bytes) if known is not None), default=None)

    @property
    def served(self) -> bool:
        """Whether another's server has it: what it takes is not this machine's."""
        return "served_by" in self.facts

    @property
    def pid(self) -> int | None:
        return self.engine.pid if self.engine else None

    def close(self) -> None:
        if self.engine is not None:
            self.note_memory()
            self.engine.close()
            self.engine = None

    def note_answer(self, reply: Reply) -> None:
        """An answer shows that the worker lives: what killed it before was the prompt."""
        if reply.error is None:
            self._in_vain = 0

    @property
    def dead(self) -> bool:
        """Whether the engine's worker has ended by itself."""
        return self.engine is not None and self.engine.death is not None

    def revive(self) -> None:
        """Open the engine again where its worker has died; a model that is given up stays dead."""
        if not self.dead or self._in_vain >= self.patience:
            return
        self.restarts += 1
        self._in_vain += 1
        self.close()
        self.load()

    def described(self) -> dict[str, Any]:
        """What a run's manifest says of it."""
        return {
            **self.facts,
            "sha256": self.sha256,
            "info": dataclasses.asdict(self.engine.info) if self.engine else None,
            "restarts": self.restarts,
            "peak_rss_bytes": self.peak_rss_bytes,
            "error": self.error,
        }


def find_models(config: Config, say: Say) -> list[ModelUnderTest]:
    """Fetch every model of a configuration; one that cannot be had keeps its reason.

    Raises:
        RegistryError: An id is not in the registry.
    """
    found = dict(zip(_files(config), _find(config, say), strict=True))
    return [_arm(found[original(model)], model, config) for model in config.models]


def with_engine(model: ModelUnderTest, config: Config, *, sequences: int = 1) -> ModelUnderTest:
    """The same model, not loaded yet, in a worker of its own with these settings."""
    options = LoadOptions(
        context_tokens=config.context_tokens, sequences=sequences, threads=config.threads or None, bulk=sequences > 1
    )

    def open_engine() -> Engine:
        if model.path is None:
            raise EngineError(model.error or "the model's file is not here")
        environment = beside_others() if sequences > 1 else None
        return WorkerEngine(model.path, options, engine=config.engine, environment=environment)

    made = ModelUnderTest(id=model.id, sha256=model.sha256, open_engine=open_engine)
    made.facts, made.path, made.error = model.facts, model.path, model.error
    return made


def _found(
    id: str, sha256: str, facts: dict[str, Any], path: Path | None = None, error: str | None = None
) -> ModelUnderTest:
    return ModelUnderTest(id=id, sha256=sha256, facts=facts, path=path, error=error, open_engine=_not_yet)


def _not_yet() -> Engine:
    raise EngineError("the model has no engine yet")


def _files(config: Config) -> list[str]:
    return [model for model in config.models if original(model) == model]


def _arm(model: ModelUnderTest, name: str, config: Config) -> ModelUnderTest:
    """The model itself, or the second arm of the same file."""
    arm = with_engine(model, config)
    if name.endswith(AGAIN):
        arm.id, arm.facts = arm.id + AGAIN, {**arm.facts, "label": f"{arm.facts['label']} again"}
    return arm


def _find(config: Config, say: Say) -> list[ModelUnderTest]:
    if config.engine == "scripted":
        return [_script(Path(model)) for model in _files(config)]
    registry = load_registry()
    entries = {
        model: get(registry, model) for model in _files(config) if not is_gguf_name(model)
    }  # unknown ids fail first
    return [
        _fetched(entries[model], registry, say) if model in entries else _file(Path(model)) for model in _files(config)
    ]


def _file(path: Path) -> ModelUnderTest:
    """A GGUF that is in no registry, such as one of random weights; its own name is its label."""
    path, name = model_files(path)[0], model_stem(path.name)
    facts: dict[str, Any] = {"label": name, "base": "file", "size": None, "rank": None, "quantization": None}
    try:
        said, sha256 = facts_of(read_model(path)), model_sha256(path)
    except (GGUFError, OSError) as error:
        reason = f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        return _found(id=name, sha256=UNKNOWN_SHA256 + name, facts=facts, error=reason)
    facts |= {"size": said.size, "quantization": said.quantization or None, "licence": said.licence or None}
    facts |= {"file_size_bytes": model_size_bytes(path), "label": f"{name} ({said.name})" if said.name else name}
    return _found(id=name, sha256=sha256, facts=facts, path=path.absolute())


def _fetched(entry: ModelEntry, registry: Registry, say: Say) -> ModelUnderTest:
    if isinstance(entry.source, OpenAISource):
        return _served(entry, entry.source, registry)
    try:
        path = fetch(entry, registry, progress=_Announcer(say))
        sha256, entry = model_sha256(path), completed(entry, read_model(path))
    except (ModelError, GGUFError, OSError) as error:
        sha256 = entry.sha256 or UNKNOWN_SHA256 + entry.id
        return _found(id=entry.id, sha256=sha256, facts=_facts(entry), error=str(error))
    weights = read_model(path).weights  # of an adapter that is applied as it runs, what it needs beside it counts
    size_bytes = model_size_bytes(path) + (model_size_bytes(weights) if weights else 0)
    facts = {**_facts(entry), "file_size_bytes": size_bytes}
    return _found(id=entry.id, sha256=sha256, facts=facts, path=path)


def _served(entry: ModelEntry, source: OpenAISource, registry: Registry) -> ModelUnderTest:
    facts = {
        **_facts(entry),
        "served_by": source.host,
        "usd_per_million_in": source.usd_per_million_in,
        "usd_per_million_out": source.usd_per_million_out,
    }
    try:
        path = fetch(entry, registry)
    except ModelError as error:
        return _found(id=entry.id, sha256=UNKNOWN_SHA256 + entry.id, facts=facts, error=str(error))
    return _found(id=entry.id, sha256=model_sha256(path), facts=facts, path=path)


def _facts(entry: ModelEntry) -> dict[str, Any]:
    names = ("label", "base", "size", "rank", "quantization", "licence")
    return {name: getattr(entry, name) for name in names}


def _script(path: Path) -> ModelUnderTest:
    facts = {"label": path.stem, "base": "script", "size": "0", "rank": None, "quantization": "none", "licence": "–"}
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"{path}: cannot be read ({error.strerror})"
        return _found(id=path.stem, sha256=UNKNOWN_SHA256 + path.stem, facts=facts, error=reason)
    return _found(id=path.stem, sha256=hashlib.sha256(content).hexdigest(), facts=facts, path=path.absolute())


@dataclass(kw_only=False)
class _Announcer:
    """Says when a stage of fetching begins, and every tenth of it."""

    say: Say
    last: tuple[str, str, int] | None = None

    def __call__(self, progress: Progress) -> None:
        if progress.note:
            self.say(f"{progress.model_id}: {progress.note}")
            return
        tenth = 10 * progress.done_bytes // progress.total_bytes if progress.total_bytes else 0
        now = (progress.model_id, progress.stage, tenth)
        if now != self.last:
            self.last = now
            self.say(f"{progress.model_id}: {progress.stage} {10 * tenth}%")
