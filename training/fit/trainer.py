"""TRL's SFTTrainer over prepared examples: the same call for both backends."""

from pathlib import Path
from typing import Any

from training.config import Config, TrainingError
from training.rows.build import Prepared


def accumulation_steps(config: Config, world_size: int) -> int:
    """Forward passes per optimizer step and process, so that the effective batch does not depend on the GPUs.

    Raises:
        TrainingError: The effective batch cannot be shared out evenly.
    """
    per_pass = config.training.micro_batch * world_size
    if config.training.effective_batch % per_pass:
        raise TrainingError(
            f"training.effective_batch is {config.training.effective_batch}; {world_size} processes with micro_batch "
            f"{config.training.micro_batch} make {per_pass}, which does not divide it; change one of them"
        )
    return config.training.effective_batch // per_pass


def make_trainer(
    model: Any,
    tokenizer: Any,
    prepared: Prepared,
    config: Config,
    *,
    checkpoints: Path,
    precision: str,
    world_size: int,
    callback: Any,
) -> Any:
    """A trainer that neither tokenizes nor truncates: the examples' ids and labels are used as they are."""
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTTrainer

    on_cpu = str(model.device) == "cpu"
    trainer = SFTTrainer(
        model=model,
        args=_arguments(config, checkpoints, precision=precision, world_size=world_size, on_cpu=on_cpu),
        train_dataset=_dataset(prepared.train),
        eval_dataset=_dataset(prepared.validation),
        processing_class=tokenizer,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)  # the monitor's line says more
    return trainer


def _arguments(config: Config, checkpoints: Path, *, precision: str, world_size: int, on_cpu: bool) -> Any:
    from trl import SFTConfig

    settings = config.training
    checkpointing = settings.gradient_checkpointing != "off"
    return SFTConfig(
        output_dir=str(checkpoints),
        per_device_train_batch_size=settings.micro_batch,
        per_device_eval_batch_size=min(settings.micro_batch, 32),  # all logits are held at once
        gradient_accumulation_steps=accumulation_steps(config, world_size),
        num_train_epochs=settings.epochs,
        max_steps=settings.max_steps or -1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type=settings.scheduler,
        warmup_steps=settings.warmup_steps,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        optim=settings.optimizer,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        use_cpu=on_cpu,
        gradient_checkpointing=checkpointing,
        gradient_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
        train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
        max_length=None,
        packing=False,
        seed=settings.seed,
        data_seed=settings.seed,
        logging_steps=settings.log_steps,
        logging_first_step=True,
        eval_strategy="steps" if settings.eval_steps else "no",
        eval_steps=settings.eval_steps or None,
        save_strategy="steps" if settings.save_steps else "no",
        save_steps=settings.save_steps or 500,
        save_total_limit=settings.keep_checkpoints,
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
        ddp_find_unused_parameters=False if world_size > 1 else None,
    )


def _dataset(path: Path) -> Any:
    from datasets import Dataset

    return Dataset.from_parquet(str(path), keep_in_memory=False)
