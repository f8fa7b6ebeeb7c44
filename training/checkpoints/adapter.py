"""An adapter as PEFT writes it, read without PEFT."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checkpoints.tensors import gguf_name, to_gguf
from training.config import TrainingError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_PREFIX = "base_model.model."
_SUFFIXES = (".lora_A.weight", ".lora_B.weight")


def gguf_adapter(directory: Path, checkpoint: Path) -> "tuple[dict[str, tuple[Any, Any]], float]":
    """An adapter of PEFT as GGUF holds it (A, B by the tensor's name, rows in llama.cpp's order), and its alpha.

    Raises:
        TrainingError: See `read_peft_adapter`.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    tensors, alpha = read_peft_adapter(directory, config["model_type"])
    return {name: (a, to_gguf(name, b, config)) for name, (a, b) in tensors.items()}, alpha


def read_peft_adapter(directory: Path, architecture: str) -> "tuple[dict[str, tuple[Any, Any]], float]":
    """An adapter of PEFT by GGUF's names, rows in the checkpoint's order, and its alpha.

    Raises:
        TrainingError: Missing, or with features that a plain merge does not cover.
    """
    from safetensors import safe_open

    try:
        settings = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{directory}: no adapter that can be read ({error}); train again") from None
    for key in ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern", "modules_to_save"):
        if settings.get(key):
            raise TrainingError(f"{directory}: the adapter uses {key}, which cannot be exported")
    found: dict[str, dict[str, npt.NDArray[np.float32]]] = {}
    with safe_open(directory / "adapter_model.safetensors", framework="pt") as tensors:
        for name in tensors.keys():  # noqa: SIM118 (not a mapping)
            suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), None)
            if suffix is None:
                raise TrainingError(f"{directory}: tensor {name!r} is none of a LoRA adapter")
            module = gguf_name(name.removeprefix(_PREFIX).removesuffix(suffix) + ".weight", architecture)
            found.setdefault(module, {})[suffix] = tensors.get_tensor(name).float().numpy()
    return {name: (pair[_SUFFIXES[0]], pair[_SUFFIXES[1]]) for name, pair in found.items()}, float(
        settings["lora_alpha"]
    )
