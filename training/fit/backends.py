"""Which library trains, on what, and in which precision."""

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from data.command import quiet_loading
from training.config import Config, TrainingError
from training.fit import trl, unsloth


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """Recorded in run.json: a run by another backend is another run.

    Attributes:
        reason: Why this backend, in words.
        device: "cuda:0" of this process, or "cpu".
    """

    backend: str
    reason: str
    device: str
    device_name: str
    precision: str
    world_size: int


def choose(config: Config, wanted: str) -> BackendChoice:
    """Decide before anything heavy is imported: Unsloth must come before transformers.

    Args:
        wanted: "auto", "unsloth" or "trl".

    Raises:
        TrainingError: What the configuration asks for needs a GPU, or a package that is not here.
    """
    import torch

    gpu = torch.cuda.is_available()
    world_size, local_rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    if config.base.load_in_4bit and not gpu:
        raise TrainingError(
            "base.load_in_4bit is true, but there is no GPU here; train on one, or --set base.load_in_4bit=false"
        )
    if config.training.optimizer == "adamw_8bit" and not gpu:
        raise TrainingError(
            "training.optimizer is 'adamw_8bit', which needs a GPU; --set training.optimizer=adamw_torch"
        )
    backend, reason = _backend(wanted, gpu)
    if gpu and config.training.optimizer == "adamw_8bit" and find_spec("bitsandbytes") is None:
        raise TrainingError("training.optimizer is 'adamw_8bit', which needs bitsandbytes; install it")
    device = f"cuda:{local_rank}" if gpu else "cpu"
    name = torch.cuda.get_device_name(local_rank) if gpu else "CPU"
    return BackendChoice(
        backend=backend,
        reason=reason,
        device=device,
        device_name=name,
        precision=_precision(config.training.precision, gpu),
        world_size=world_size,
    )


def load(choice: BackendChoice, checkpoint: Path, config: Config) -> Any:
    """The model with its adapter, by the chosen backend."""
    quiet_loading()
    load_model = unsloth.load if choice.backend == "unsloth" else trl.load
    return load_model(checkpoint, config, precision=choice.precision, device=choice.device)


def _backend(wanted: str, gpu: bool) -> tuple[str, str]:
    installed = find_spec("unsloth") is not None
    if wanted == "trl":
        return "trl", "asked for"
    if wanted == "unsloth":
        if not gpu:
            raise TrainingError("--backend unsloth needs a GPU, and there is none; leave --backend out, or use trl")
        if not installed:
            raise TrainingError("--backend unsloth: it is not installed; pip install unsloth==2026.10.7, or use trl")
        return "unsloth", "asked for"
    if gpu and installed:
        return "unsloth", "a GPU and Unsloth are there"
    return "trl", "no GPU" if not gpu else "Unsloth is not installed"


def _precision(wanted: str, gpu: bool) -> str:
    import torch

    if not gpu:
        if wanted == "fp16":
            raise TrainingError("training.precision is 'fp16', which needs a GPU; use auto, bf16 or fp32")
        return "fp32" if wanted == "auto" else wanted
    bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    if wanted == "bf16" and not bf16:
        raise TrainingError(f"training.precision is 'bf16', which {torch.cuda.get_device_name()} lacks; use auto")
    if wanted == "auto":
        return "bf16" if bf16 else "fp16"
    return wanted
