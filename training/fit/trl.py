"""The base model with a fresh LoRA adapter, by transformers and peft: CPU, or GPU with bitsandbytes for 4 bits."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from training.config import Config, TrainingError


def load(checkpoint: Path, config: Config, *, precision: str, device: str) -> Any:
    """A PeftModel whose adapter alone is trainable.

    Raises:
        TrainingError: 4 bits without bitsandbytes.
    """
    import torch
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    from transformers import AutoModelForCausalLM

    dtype = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]
    checkpointing = config.training.gradient_checkpointing != "off"
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": "sdpa"}
    if config.base.load_in_4bit:
        options["quantization_config"] = _four_bits(dtype)
        options["device_map"] = {"": device}
    model = AutoModelForCausalLM.from_pretrained(checkpoint, **options)
    if config.base.load_in_4bit:
        model = prepare_model_for_kbit_training(
            model, use_gradient_checkpointing=checkpointing, gradient_checkpointing_kwargs={"use_reentrant": False}
        )
    else:
        model = model.to(device)
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            model.enable_input_require_grads()
    model.config.use_cache = False
    lora = LoraConfig(
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        bias=config.lora.bias,
        target_modules=list(config.lora.target_modules),
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, lora)


def _four_bits(dtype: Any) -> Any:
    if find_spec("bitsandbytes") is None:
        raise TrainingError("base.load_in_4bit needs bitsandbytes; install it, or --set base.load_in_4bit=false")
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
