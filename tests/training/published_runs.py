"""A small finished run with exported files and a passed parity gate: what `training.publish` reads."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.manifest import Manifest, write_manifest
from tests.gguf_bytes import model_bytes
from training.run_directory import RunDirectory, RunRecord, write_record

SMOL = {"source": "registry", "name": "smollm2-135m"}
LLAMA = {"source": "hub", "name": "unsloth/Llama-3.2-1B-Instruct", "load_in_4bit": True}
CHECK: dict[str, Any] = {
    "name": "mean KL",
    "file": "tiny-r8.q4_k_m.gguf",
    "value": 0.0123,
    "limit": "at most 0.15",
    "passed": True,
}
REPORTED = {"name": "perplexity", "file": "tiny-r8.f16.gguf", "value": 12.3456, "limit": "", "passed": True}
CARD = {
    "counts": {"train_rows": 90, "train_tokens": 4000},
    "held_out": ["core"],
    "sources": [
        {
            "name": "finetome",
            "kind": "hub",
            "from": "mlabonne/FineTome-100k",
            "revision": "c2343c1372ff31f51aa21248db18bffa3193efdb",
            "licence": "not stated",
            "counts": {"read": 100, "train": 80},
            "train_tokens": 3500,
        },
        {"name": "pairs|own", "kind": "file", "licence": "CC0-1.0", "rows": 12, "kept": 10},
    ],
}
METRICS = [
    {"step": 1, "loss": 2.5, "learning_rate": 2e-4},
    {"step": 2, "eval_loss": 2.25},
    {"step": 3, "loss": 1.5},
]


def finished_run(runs: Path, *, base: Mapping[str, Any] = SMOL, name: str = "tiny-r8") -> RunDirectory:
    """A run with an F16 file that can be fetched, one of q4_k_m, and an adapter."""
    run = RunDirectory(path=runs / name)
    data = runs / "data" / name
    for directory in (run.export, run.adapter, data):
        directory.mkdir(parents=True)
    write_record(run, record(base=base, name=name, data=data))
    contents = {
        "adapter": b"GGUF" + bytes(500),
        "f16": model_bytes(300_000),
        "q4_k_m": b"GGUF" + bytes(range(256)) * 400,
    }
    for kind, content in contents.items():
        run.gguf(kind).write_bytes(content)
    write_manifest(run.manifest, manifest(run, "gguf"))
    write_manifest(run.parity, manifest(run, "parity", passed=True, checks=[CHECK, REPORTED]))
    (run.adapter / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(runs), "r": 8}))
    (run.adapter / "adapter_model.safetensors").write_bytes(b"weights" * 100)
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in METRICS) + '{"step": 4, "lo')
    run.loss_plot.write_bytes(b"\x89PNG")
    (data / "card.json").write_text(json.dumps(CARD))
    return run


def manifest(run: RunDirectory, kind: Any, **extra: Any) -> Manifest:
    """Of the files that lie in export/ now."""
    return Manifest(
        kind=kind,
        base="base",
        base_sha256="b" * 64,
        files={path.name: sha256(path.read_bytes()) for path in sorted(run.export.glob("*.gguf"))},
        created_by=f"python -m training.export {run.path}",
        extra=extra,
    )


def record(*, base: Mapping[str, Any], name: str, data: Path) -> RunRecord:
    config = {
        "name": name,
        "base": base,
        "lora": {"rank": 8, "alpha": 16},
        "training": {"max_length": 512, "learning_rate": 2e-4, "effective_batch": 8, "micro_batch": 2},
        "data": {"sources": {"finetome": {"kind": "hub", "name": "mlabonne/FineTome-100k"}}},
    }
    return RunRecord(
        config=config,
        status="finished",
        backend="trl",
        backend_reason="no GPU",
        data_sha256={"train.parquet": "a" * 64},
        data_path=str(data),
        base_path=str(data.parent / "base"),
        base_sha256="b" * 64,
        precision="fp32",
        device="CPU",
        world_size=1,
        versions={"torch": "2.13.0", "peft": "0.21.2"},
        git_commit="unknown",
        started_at="2026-11-24T00:00:00+00:00",
        summary={"steps": 12, "tokens": 4000, "train_loss": 1.9, "eval_loss": 2.25, "seconds": 61.0},
    )


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
