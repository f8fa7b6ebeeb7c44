"""The base model with a fresh LoRA adapter, by Unsloth: the only module that imports it, before transformers."""

import os
from pathlib import Path
from typing import Any

from training.config import Config


def import_first() -> None:
    """Let Unsloth patch transformers, trl and peft: call it before any of them is imported."""
    # Without FlashAttention or an xformers that it accepts, Unsloth's padding-free batches attend over the whole batch
    # as one sequence, which is slow where a batch has many short examples (docs/log.md). Padding costs nothing that
    # shows.
    os.environ.setdefault("UNSLOTH_DISABLE_AUTO_PADDING_FREE", "1")
    import unsloth  # noqa: F401


def load(checkpoint: Path, config: Config, *, precision: str, device: str) -> Any:
    """A PeftModel whose adapter alone is trainable; Unsloth chooses the device itself."""
    import_first()
    import torch
    from unsloth import FastLanguageModel

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    model, _ = FastLanguageModel.from_pretrained(
        model_name=str(checkpoint),
        max_seq_length=config.training.max_length,
        dtype=dtype,
        load_in_4bit=config.base.load_in_4bit,
    )
    checkpointing = {"unsloth": "unsloth", "on": True, "off": False}[config.training.gradient_checkpointing]
    return FastLanguageModel.get_peft_model(
        model,
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        bias=config.lora.bias,
        target_modules=list(config.lora.target_modules),
        use_gradient_checkpointing=checkpointing,
        random_state=config.training.seed,
    )
