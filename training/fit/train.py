"""Fine-tune a LoRA adapter on answers alone, and keep everything that is needed to judge, repeat and resume it."""

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from data.manifest import git_commit
from training.checkpoints.base_model import resolve
from training.config import Config, TrainingError, to_dict
from training.fit import unsloth
from training.fit.backends import BackendChoice, choose, load
from training.fit.cards import first_alone, is_first
from training.fit.monitor import Monitor, keep_metrics_until, plot_loss
from training.fit.trainer import accumulation_steps, make_trainer
from training.rows.build import Prepared, prepare
from training.run_directory import (
    RUNS,
    RunDirectory,
    RunRecord,
    differences,
    read_metrics,
    read_record,
    write_record,
)

# Changing these does not change what is trained, but for rounding; the second line is the way out of a full memory.
_HARMLESS = (
    *("export.", "training.log_steps", "training.sample_", "training.keep_checkpoints"),
    *("training.micro_batch", "training.gradient_checkpointing"),
)
_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "unsloth", "bitsandbytes", "xformers")


def train(
    config: Config, *, backend: str = "auto", resume: bool = False, stop_after: int | None = None, runs: Path = RUNS
) -> RunDirectory:
    """Train, or go on with a run that was interrupted.

    Args:
        stop_after: Stop after this optimizer step with a checkpoint, to be resumed later.

    Raises:
        TrainingError: It cannot be done; one line that says what to do.
    """
    run = RunDirectory(path=runs / config.name)
    earlier = _earlier(run, config, resume)
    choice = choose(config, backend)
    accumulation_steps(config, choice.world_size)
    if earlier:
        _check_same_backend(run, earlier, choice)
    if choice.backend == "unsloth":
        unsloth.import_first()
    with first_alone(choice.world_size):
        prepared = prepare(config, runs=runs)
        checkpoint = resolve(config.base)
    record = earlier or _new_record(config, choice, prepared, checkpoint.path, checkpoint.identity)
    if earlier:
        _check_same_material(run, earlier, prepared, checkpoint.identity)
    if is_first():
        run.path.mkdir(parents=True, exist_ok=True)
        write_record(run, record)
    try:
        summary, stopped = _fit(run, config, choice, prepared, checkpoint.path, earlier is not None, stop_after)
    except BaseException as error:
        if is_first():
            write_record(run, replace(record, status="failed", summary={"error": type(error).__name__}))
        raise
    if is_first():
        write_record(run, replace(record, status="stopped" if stopped else "finished", summary=summary))
    return run


def _fit(
    run: RunDirectory,
    config: Config,
    choice: BackendChoice,
    prepared: Prepared,
    checkpoint: Path,
    resume: bool,
    stop_after: int | None,
) -> tuple[dict[str, Any], bool]:
    """Load, train and save; returns the summary, and whether it stopped on the way."""
    import torch
    from transformers import AutoTokenizer, set_seed

    last, done_before = _go_on_from(run, resume)
    set_seed(config.training.seed)  # the adapter's first weights are drawn while loading
    tokenizer = AutoTokenizer.from_pretrained(prepared.tokenizer)
    monitor = Monitor(run, config, tokenizer, stop_after=stop_after)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    how: dict[str, Any] = {"precision": choice.precision, "world_size": choice.world_size, "callback": monitor}
    try:
        model = load(choice, checkpoint, config)
        before = frozen_sums(model)
        trainer = make_trainer(model, tokenizer, prepared, config, checkpoints=run.checkpoints, **how)
        learned = _run(trainer, monitor, last)
    except torch.OutOfMemoryError:
        raise TrainingError(_out_of_memory(config)) from None
    if frozen_sums(trainer.model) != before:
        raise TrainingError("the base's own weights changed during training; only the adapter may")
    summary = {
        "steps": trainer.state.global_step,
        "steps_here": trainer.state.global_step - done_before,
        **learned,
        "tokens": prepared.card["counts"]["train_tokens"],
        "trainable_parameters": sum(weights.numel() for weights in model.parameters() if weights.requires_grad),
        "peak_memory_gib": _peak_gib(),
    }
    if trainer.is_world_process_zero() and not monitor.stopped:
        _save(run, trainer, monitor)
    return summary, monitor.stopped


def _go_on_from(run: RunDirectory, resume: bool) -> tuple[str | None, int]:
    """The last checkpoint and its step; what was written after it is dropped."""
    from transformers.trainer_utils import get_last_checkpoint

    last = get_last_checkpoint(run.checkpoints) if resume and run.checkpoints.is_dir() else None
    done_before = int(last.rpartition("-")[2]) if last else 0
    if is_first():
        keep_metrics_until(run.metrics, done_before)
        keep_metrics_until(run.samples, done_before)
    return last, done_before


def _run(trainer: Any, monitor: Monitor, last: str | None) -> dict[str, Any]:
    """Train, and validate at the end where that was not done; both losses, and the training's seconds."""
    started = time.monotonic()
    result = trainer.train(resume_from_checkpoint=last)
    seconds = time.monotonic() - started
    if not monitor.stopped and monitor.evaluated_step != trainer.state.global_step:
        trainer.evaluate()
    eval_loss = None if monitor.stopped else monitor.eval_loss
    return {"train_loss": result.training_loss, "eval_loss": eval_loss, "seconds": round(seconds, 1)}


def _save(run: RunDirectory, trainer: Any, monitor: Monitor) -> None:
    trainer.model.save_pretrained(run.adapter)
    if monitor.sampled_step != trainer.state.global_step:
        monitor.write_samples(trainer.model, trainer.state.global_step)
    plot_loss(read_metrics(run.metrics), run.loss_plot, run.name)


def frozen_sums(model: Any) -> dict[str, float]:
    """A sum of each tensor that must not change, by name."""
    import torch

    return {
        name: float(weights.detach().sum(dtype=torch.float64))
        for name, weights in model.named_parameters()
        if not weights.requires_grad
    }


def _earlier(run: RunDirectory, config: Config, resume: bool) -> RunRecord | None:
    if not resume:
        if run.record.exists() and is_first() and not _is_worthless(run):
            status = read_record(run).status
            way = "use --resume to go on with it, " if status != "finished" else ""
            raise TrainingError(f"{run.path} is there already ({status}); {way}give it another name, or remove it")
        return None
    record = read_record(run)
    changed = [line for line in differences(to_dict(record.parsed), to_dict(config)) if not line.startswith(_HARMLESS)]
    if changed:
        raise TrainingError(
            f"{run.path} was trained with another config: {'; '.join(changed)}; undo that, or start anew"
        )
    if record.status == "finished":
        raise TrainingError(f"{run.path} is finished; there is nothing to resume")
    return replace(record, status="running", config=to_dict(config))


def _is_worthless(run: RunDirectory) -> bool:
    """Whether a run failed before its first checkpoint."""
    return read_record(run).status == "failed" and not any(run.checkpoints.glob("checkpoint-*"))


def _check_same_backend(run: RunDirectory, earlier: RunRecord, choice: BackendChoice) -> None:
    if earlier.backend != choice.backend:
        raise TrainingError(
            f"{run.path} was trained by {earlier.backend}, not {choice.backend}; resume it with "
            f"--backend {earlier.backend}, or start anew"
        )
    if earlier.precision != choice.precision:
        raise TrainingError(
            f"{run.path} was trained in {earlier.precision}; here it would go on in {choice.precision}: resume it on "
            f"{earlier.device} or a device like it, or start anew"
        )


def _check_same_material(run: RunDirectory, earlier: RunRecord, prepared: Prepared, base_sha256: str) -> None:
    if dict(earlier.data_sha256) != dict(prepared.card["files"]):
        raise TrainingError(
            f"{run.path} was trained on other data ({earlier.data_path}); prepare that again, or start anew"
        )
    if earlier.base_sha256 != base_sha256:
        raise TrainingError(
            f"{run.path} was trained on another base ({earlier.base_sha256[:12]}, now {base_sha256[:12]}); set "
            "base.revision to that one, or start anew"
        )


def _new_record(config: Config, choice: BackendChoice, prepared: Prepared, path: Path, identity: str) -> RunRecord:
    return RunRecord(
        config=to_dict(config),
        status="running",
        backend=choice.backend,
        backend_reason=choice.reason,
        data_sha256=prepared.card["files"],
        data_path=str(prepared.path),
        base_path=str(path),
        base_sha256=identity,
        precision=choice.precision,
        device=choice.device_name,
        world_size=choice.world_size,
        versions=_versions(),
        git_commit=git_commit() or "unknown",
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _out_of_memory(config: Config) -> str:
    micro, effective = config.training.micro_batch, config.training.effective_batch
    smaller = [size for size in range(1, micro // 2 + 1) if effective % size == 0]
    ways = [f"--set training.micro_batch={size}" for size in smaller[-1:]]
    if config.training.gradient_checkpointing == "off":
        ways.append("--set training.gradient_checkpointing=on")
    if not config.base.load_in_4bit:
        ways.append("--set base.load_in_4bit=true")
    ways.append(f"--set training.max_length={config.training.max_length // 2}")
    return (
        f"out of GPU memory at micro_batch {micro}, max_length {config.training.max_length}; try {', or '.join(ways)}"
    )


def _peak_gib() -> float | None:
    import torch

    return round(torch.cuda.max_memory_allocated() / 2**30, 3) if torch.cuda.is_available() else None
