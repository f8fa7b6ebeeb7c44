"""Where a run keeps its files, and what `run.json` says of it.

runs/data/NAME-KEY/        prepared examples, shared by every run with the same data and tokenizer
    train.parquet validation.parquet    columns input_ids and labels; label -100 is not trained on
    card.json README.md             counts, hashes, revisions, licences
    tokenizer/                      the tokenizer with its chat template, as trained
runs/NAME/                 one training run
    run.json                        what ran: configuration, data, backend, versions
    metrics.jsonl loss.png samples.jsonl
    checkpoints/checkpoint-N/       to resume from
    adapter/                        the trained adapter in PEFT's format
    export/                         NAME.adapter.gguf, NAME.f16.gguf, NAME.q4_k_m.gguf, manifest.json
    parity.json                     the parity gate's verdict on exactly these files
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.files import write_atomically
from data.records import build, read_json
from training.config import Config, TrainingError, from_dict

RUNS = Path("runs")
SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class RunDirectory:
    """Paths of one run."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def loss_plot(self) -> Path:
        return self.path / "loss.png"

    @property
    def samples(self) -> Path:
        return self.path / "samples.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def export(self) -> Path:
        return self.path / "export"

    @property
    def manifest(self) -> Path:
        return self.export / "manifest.json"

    @property
    def parity(self) -> Path:
        return self.path / "parity.json"

    def gguf(self, kind: str) -> Path:
        """The exported file of a quantization, or "adapter"."""
        return self.export / f"{self.name}.{kind}.gguf"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What `run.json` holds.

    Attributes:
        config: The resolved configuration.
        status: "running", "stopped", "finished" or "failed".
        backend: "unsloth" or "trl"; `backend_reason` says why.
        data_sha256: Of train.parquet and validation.parquet.
        data_path: Directory of the prepared examples.
        base_path: Directory of the checkpoint that was trained on.
        base_sha256: Of the registry's GGUF, or of the Hub's commit; empty for a directory.
        summary: Steps, tokens, losses, seconds and peak memory once it has ended.
    """

    config: Mapping[str, Any]
    status: str
    backend: str
    backend_reason: str
    data_sha256: Mapping[str, str]
    data_path: str
    base_path: str
    base_sha256: str
    precision: str
    device: str
    world_size: int
    versions: Mapping[str, str]
    git_commit: str
    started_at: str
    summary: Mapping[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    @property
    def parsed(self) -> Config:
        return from_dict(self.config)


def write_record(run: RunDirectory, record: RunRecord) -> None:
    write_atomically(run.record, json.dumps(asdict(record), indent=2) + "\n")


def prepared_data(record: RunRecord) -> Path:
    """The directory of the examples that the run was trained on.

    Raises:
        TrainingError: It is not there any more.
    """
    path = Path(record.data_path)
    if not (path / "card.json").is_file():
        raise TrainingError(f"{path}: the run's data are gone; python -m training.prepare writes the same again")
    return path


def read_record(run: RunDirectory) -> RunRecord:
    """The run's record.

    Raises:
        TrainingError: No such run, or a record that cannot be read.
    """
    if not run.record.is_file():
        known = sorted(entry.parent.name for entry in run.path.parent.glob("*/run.json"))
        there = f"; runs there: {', '.join(known)}" if known else ""
        raise TrainingError(f"{run.path}: not a run (no run.json); train one with python -m training.sft CONFIG{there}")
    content = read_json(run.record, TrainingError)
    version = content.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise TrainingError(f"{run.record}: schema version {version}; this Tradeoff reads up to {SCHEMA_VERSION}")
    try:
        return build(RunRecord, content, TrainingError)
    except TrainingError as error:
        raise TrainingError(f"{run.record}: {error}") from None


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file, with `loss` those of training, with `eval_loss` of validation; no torn one."""
    if not path.is_file():
        return []
    lines: list[dict[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


def fingerprint(*parts: Any) -> str:
    """First 12 hexadecimal digits of the sha256 of JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


def differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two resolved configurations, as `table.key: old -> new`."""
    lines = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += differences(before, after, f"{prefix}{key}.")
        elif before != after:
            lines.append(f"{prefix}{key}: {before!r} -> {after!r}")
    return lines
