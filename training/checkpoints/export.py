"""Turn a trained adapter into the files that run on a CPU: GGUFs, and the adapter alone."""

import errno
import json
from collections.abc import Sequence
from pathlib import Path

from data.files import require_space, sha256_of
from data.gguf.lora import merge_adapter, write_adapter
from data.gguf.quantize import quantize_in_child
from data.manifest import Manifest, write_manifest
from data.progress import Counter, never_cancelled
from training.checkpoints.adapter import gguf_adapter
from training.checkpoints.base_model import Checkpoint, resolve
from training.checkpoints.write_gguf import write_gguf
from training.config import Config, TrainingError
from training.run_directory import RunDirectory, RunRecord, prepared_data, read_record


def export(run: RunDirectory, quantizations: Sequence[str] = ()) -> list[Path]:
    """Write the adapter, the F16 file and each quantization; returns their paths.

    Args:
        quantizations: Empty takes the configuration's. The F16 file is always written: the others are made from it.

    Raises:
        TrainingError: The run is not finished, or something cannot be exported; one line.
    """
    record = read_record(run)
    if record.status != "finished":
        raise TrainingError(f"{run.path} is {record.status}, not finished; go on with python -m training.sft --resume")
    config = record.parsed
    checkpoint = resolve(config.base)
    if checkpoint.identity != record.base_sha256:
        raise TrainingError(
            f"base {config.base.name!r} is another than the run was trained on ({checkpoint.identity[:12]}, then "
            f"{record.base_sha256[:12]}); pin base.revision, or fetch that one"
        )
    run.export.mkdir(parents=True, exist_ok=True)
    base = run.export / ".base.f16.gguf"
    try:
        weights = sum(file.stat().st_size for file in checkpoint.path.glob("*.safetensors"))
        require_space(run.export, 3 * weights, f"exporting {run.name}")
        written = [_write_adapter(run, config, checkpoint)]
        source = _base_gguf(config, checkpoint, base, prepared_data(record) / "tokenizer")
        f16 = run.gguf("f16")
        counter = Counter("merging, %", total=100)
        merge_adapter(source, written[0], f16, on_share=lambda share: counter.show(int(share * 100)))
        base.unlink(missing_ok=True)
        written.append(f16)
        for quantization in quantizations or config.export.quantizations:
            if quantization != "f16":
                written.append(_quantize(run, f16, quantization))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise TrainingError(f"disk full at {run.export}; make room, then export again: it starts anew") from None
        raise
    finally:
        base.unlink(missing_ok=True)
    _write_manifest(run, record, config, written)
    return written


def _write_adapter(run: RunDirectory, config: Config, checkpoint: Checkpoint) -> Path:
    tensors, alpha = gguf_adapter(run.adapter, checkpoint.path)
    if not any(b.any() for _, b in tensors.values()):
        raise TrainingError(f"{run.adapter}: the adapter changes nothing: every B is zero; train it first")
    path = run.gguf("adapter")
    architecture = json.loads((checkpoint.path / "config.json").read_text(encoding="utf-8"))["model_type"]
    write_adapter(path, tensors, alpha=alpha, name=run.name, base=config.base.name, architecture=architecture)
    return path


def _base_gguf(config: Config, checkpoint: Checkpoint, out: Path, tokenizer: Path) -> Path:
    """The base to merge into: the registry's own file, or the checkpoint written as F16."""
    if checkpoint.gguf and config.data.template == "base":
        return checkpoint.gguf
    counter = Counter("writing the base, %", total=100)
    on_share = lambda share: counter.show(int(share * 100))  # noqa: E731
    write_gguf(checkpoint.path, out, name=config.name, tokenizer=tokenizer, on_share=on_share)
    return out


def _quantize(run: RunDirectory, f16: Path, quantization: str) -> Path:
    out = run.gguf(quantization)
    temporary = out.with_name(f".{out.name}.partial")
    counter = Counter(f"quantizing to {quantization}, %", total=100)
    try:
        quantize_in_child(
            f16,
            temporary,
            quantization,
            on_share=lambda share: counter.show(int(share * 100)),
            cancelled=never_cancelled,
        )
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    counter.show(100)
    return out


def _write_manifest(run: RunDirectory, record: RunRecord, config: Config, written: Sequence[Path]) -> None:
    manifest = Manifest(
        kind="gguf",
        base=config.base.name,
        base_sha256=record.base_sha256,
        files={path.name: sha256_of(path) for path in written},
        created_by=f"python -m training.export {run.path}",
        rank=config.lora.rank,
        alpha=config.lora.alpha,
        config=record.config,
        extra={"backend": record.backend, "versions": record.versions, "summary": record.summary},
    )
    write_manifest(run.manifest, manifest)
    run.parity.unlink(missing_ok=True)  # it was about other files
