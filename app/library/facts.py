"""What the Models page says of each entry: where it is, what it needs, what is known of its making."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.engine.chat_template import ChatTemplate
from benchmarks.engine.contract import EngineError, LoadOptions
from data.errors import TradeoffError
from data.files import model_files, model_size_bytes
from data.gguf.header import GGUFError, GGUFHeader
from data.gguf.split import read_model
from data.models.added import completed
from data.models.entries import AdaptedSource, DerivedSource, ModelEntry, Registry, deployed_bytes
from data.models.fetch import local_path, pin_state
from data.paths import ROOT
from data.records import fits, parse_json, read_json

TRAINING_RESULTS = ROOT / "training" / "results"
RUNS = ROOT / "runs"


@dataclass(frozen=True, kw_only=True)
class MemoryNeed:
    """Bytes to have a model loaded for the app: weights, and the KV cache of all sequences."""

    weights_bytes: int
    kv_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.kv_bytes


@functools.lru_cache(maxsize=64)
def _header(path: Path, size: int, changed_ns: int) -> GGUFHeader | None:
    try:
        return read_model(path)
    except (GGUFError, OSError):
        return None


def header_of(entry: ModelEntry, registry: Registry) -> GGUFHeader | None:
    """Metadata of a model's file where it is here; read once as long as it does not change."""
    path = local_path(entry, registry)
    if path is None:
        return None
    changed_ns = max(file.stat().st_mtime_ns for file in model_files(path))
    return _header(path, model_size_bytes(path), changed_ns)


def template_switches(entry: ModelEntry, registry: Registry) -> tuple[str, ...]:
    """What the chat template of a model can be told, such as "enable_thinking"; empty for one that is not here."""
    header = header_of(entry, registry)
    return _switches_of(header.chat_template) if header and header.chat_template else ()


@functools.lru_cache(maxsize=64)
def _switches_of(source: str) -> tuple[str, ...]:
    try:
        return ChatTemplate(source, special={}).switches
    except EngineError:
        return ()


def memory_need(entry: ModelEntry, registry: Registry, options: LoadOptions) -> MemoryNeed | None:
    """None for a model that is not here and whose size is not known.

    The KV cache of one that is not here is taken from the model that it is derived from, where that one is.
    """
    header, ancestor = header_of(entry, registry), entry
    while header is None and isinstance(ancestor.source, DerivedSource):
        ancestor = registry[ancestor.source.base]
        header = header_of(ancestor, registry)
    if entry.is_served:
        return MemoryNeed(weights_bytes=0, kv_bytes=0)
    here = local_path(entry, registry)
    weights = model_size_bytes(here) if here else entry.file_size_bytes
    if weights is None:
        return None
    if isinstance(entry.source, AdaptedSource):
        weights += deployed_bytes(registry[entry.source.base], registry) or 0
    cells = options.context_tokens * options.sequences
    if header is not None and header.context_length:
        cells = min(options.context_tokens, header.context_length) * options.sequences
    return MemoryNeed(weights_bytes=weights, kv_bytes=cells * (header.kv_bytes_per_token or 0) if header else 0)


def table(registry: Registry, options: LoadOptions, available_bytes: int) -> list[dict[str, Any]]:
    """One row an entry, for the registry's table."""
    rows = []
    for known in registry.values():
        header = header_of(known, registry)
        entry = completed(known, header) if header else known
        need, here = memory_need(entry, registry, options), local_path(entry, registry)
        size = model_size_bytes(here) if here and not entry.is_served else entry.file_size_bytes
        rows.append(
            {
                "id": entry.id,
                "Model": entry.label,
                "Here": here is not None,
                "Size": entry.size,
                "Quantization": entry.quantization,
                "Rank": entry.rank,
                "File, MB": size / 1e6 if size else None,
                "Needs, MB": need.total_bytes / 1e6 if need else None,
                "Fits": need.total_bytes <= available_bytes if need else None,
                "Licence": entry.licence,
                "Pin": "served" if entry.is_served else pin_state(entry, registry),
            }
        )
    return rows


def adapter_manifest(entry: ModelEntry) -> dict[str, Any] | None:
    """What is recorded of the adapter that was merged into a model; None where there is none or it is not readable."""
    if not isinstance(entry.source, DerivedSource) or entry.source.adapter is None:
        return None
    return _manifest(entry.source.adapter.with_suffix(".json"))


def training_curve(name: str, results: Path = TRAINING_RESULTS) -> list[dict[str, Any]]:
    """Loss readings of a training, as long rows: step, loss, and of which text."""
    try:
        lines = (results / name / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        readings = [parse_json(line, name, TradeoffError) for line in lines if line.strip()]
    except (OSError, ValueError, TradeoffError):
        return []
    kinds = (("loss", "training"), ("eval_loss", "validation"))
    return [
        {"step": each["step"], "loss": each[key], "text": text}
        for each in readings
        for key, text in kinds
        if _is_number(each.get(key)) and _is_number(each.get("step"))
    ]


def training_name(entry: ModelEntry) -> str | None:
    """Name of the training that a model came from: its adapter's."""
    source = entry.source
    return source.adapter.stem if isinstance(source, DerivedSource) and source.adapter is not None else None


def parity_rows(name: str, folders: Sequence[Path] = (TRAINING_RESULTS, RUNS)) -> list[dict[str, Any]]:
    """The parity gate's checks of a training's exported files; empty where none were recorded."""
    for folder in folders:
        manifest = _manifest(folder / name / "parity.json")
        checks = manifest["extra"].get("checks") if manifest else None
        if checks and fits(checks, Sequence[Mapping[str, Any]]):
            return [_check(each) for each in checks]
    return []


def _check(check: Mapping[str, Any]) -> dict[str, Any]:
    limit = str(check["limit"]) if check.get("limit") else None
    verdict = "reported" if limit is None else "passed" if check.get("passed") is True else "failed"
    return {
        "Check": str(check.get("name")),
        "File": str(check.get("file")),
        "Value": str(check.get("value")),
        "Limit": limit,
        "": verdict,
    }


def _is_number(value: object) -> bool:
    return fits(value, float) and isinstance(value, int | float) and abs(value) < 2**63


def _manifest(path: Path) -> dict[str, Any] | None:
    """A manifest's content, with an `extra` of tables; None where there is none that can be read."""
    try:
        content = read_json(path, TradeoffError)
    except TradeoffError:
        return None
    content.setdefault("extra", {})
    return content if fits(content["extra"], Mapping[str, Any]) else None
