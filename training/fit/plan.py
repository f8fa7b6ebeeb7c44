"""What a training run would take, said before it is started. Memory and time are estimates, and called so."""

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.progress import duration
from training.checkpoints.architectures import architecture, head_dim, kv_heads
from training.checkpoints.base_model import resolve
from training.config import Config, Optimization
from training.fit.backends import choose
from training.fit.trainer import accumulation_steps
from training.rows.build import prepare
from training.run_directory import RUNS

# Dense bf16 or fp16 peak of the card, in TFLOP/s, by a part of its name; from the vendor's data sheets.
_PEAK_TFLOPS = {"T4": 65, "V100": 125, "L4": 121, "A10G": 125, "A100": 312, "H100": 989, "H200": 989, "4090": 165}
# Between the 8 and 14% that QLoRA of Llama-3.2-1B and 3B reached on an H100 with 4 x 1,024 tokens a pass.
_UTILIZATION = 0.12
_CPU_UTILIZATION = 0.5


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Estimates are None where nothing is known to base them on.

    Attributes:
        steps: Optimizer steps.
        tokens: Input tokens of all steps, padding not counted.
        memory_gib: Of the GPU, or of the process on a CPU.
        seconds: At `basis`.
    """

    backend: str
    device: str
    precision: str
    train_rows: int
    steps: int
    tokens: int
    parameters: int
    adapter_parameters: int
    memory_gib: float
    seconds: float | None
    basis: str


def plan(config: Config, *, backend: str = "auto", runs: Path = RUNS) -> Plan:
    """Prepare the data if that was not done, and count.

    Raises:
        TrainingError: As training itself would raise before its first step.
    """
    choice = choose(config, backend)
    accumulation_steps(config, choice.world_size)
    prepared = prepare(config, runs=runs)
    shape = _shape(resolve(config.base).path)
    counts = prepared.card["counts"]
    per_epoch = -(-counts["train_rows"] // config.training.effective_batch)
    steps = config.training.max_steps or math.ceil(per_epoch * config.training.epochs)
    tokens = round(counts["train_tokens"] * steps / per_epoch)
    parameters, adapter = count_parameters(shape), count_adapter(shape, config)
    rate, basis = _flops_per_s(choice.device_name, choice.device)
    checkpointing = config.training.gradient_checkpointing != "off"
    # Per weight and token: forward 2, backward through frozen weights 2, the forward again with checkpointing 2.
    flops = (6 if checkpointing else 4) * parameters * tokens
    return Plan(
        backend=choice.backend,
        device=choice.device_name,
        precision=choice.precision,
        train_rows=counts["train_rows"],
        steps=steps,
        tokens=tokens,
        parameters=parameters,
        adapter_parameters=adapter,
        memory_gib=memory_bytes(shape, config, choice.precision) / 2**30,
        seconds=flops / rate / choice.world_size if rate else None,
        basis=basis,
    )


def plan_text(plan: Plan) -> str:
    """The plan as lines."""
    time = f"about {duration(plan.seconds)}" if plan.seconds is not None else "unknown"
    return "\n".join(
        [
            f"backend   {plan.backend} on {plan.device}, {plan.precision}",
            f"data      {plan.train_rows:,} examples",
            f"steps     {plan.steps:,} optimizer steps, {plan.tokens:,} tokens",
            f"weights   {plan.parameters:,} frozen, {plan.adapter_parameters:,} trained",
            f"memory    about {plan.memory_gib:.1f} GiB (estimate)",
            f"time      {time} (estimate: {plan.basis})",
        ]
    )


def count_parameters(shape: dict[str, Any]) -> int:
    """Weights by a config.json; a tied output is not counted twice."""
    hidden, layers, known = shape["hidden_size"], shape["num_hidden_layers"], architecture(shape["model_type"])
    linear = _linear(shape)
    matrices = sum(rows * columns for rows, columns in linear.values())
    biases = sum(linear[module.rpartition(".")[2]][0] for module in known.biased)
    norms = 2 * hidden + (2 * head_dim(shape) if known.head_norms else 0)
    return int(_embeddings(shape) + layers * (matrices + biases + norms) + hidden)


def _embeddings(shape: dict[str, Any]) -> int:
    """Of the input, and of an output that is not the same; both stay in 16 bits when the rest is quantized."""
    return int(shape["vocab_size"] * shape["hidden_size"] * (1 if shape.get("tie_word_embeddings") else 2))


def count_adapter(shape: dict[str, Any], config: Config) -> int:
    """Weights of the adapter: rank · (in + out) for every adapted matrix."""
    adapted = [size for name, size in _linear(shape).items() if name in config.lora.target_modules]
    return int(shape["num_hidden_layers"] * config.lora.rank * sum(rows + columns for rows, columns in adapted))


def memory_bytes(shape: dict[str, Any], config: Config, precision: str) -> float:
    """Weights, adapter with gradients and optimizer, activations and logits; without the library's own."""
    settings: Optimization = config.training
    width = 4 if precision == "fp32" else 2
    embeddings, parameters = _embeddings(shape), count_parameters(shape)
    weights = (parameters - embeddings) * 0.56 + embeddings * 2 if config.base.load_in_4bit else parameters * width
    adapter = count_adapter(shape, config) * (8 + (2 if settings.optimizer == "adamw_8bit" else 8))
    tokens = settings.micro_batch * settings.max_length
    per_layer = 18 * shape["hidden_size"] + 6 * shape["intermediate_size"]
    kept = per_layer * shape["num_hidden_layers"]
    if settings.gradient_checkpointing != "off":
        kept = shape["hidden_size"] * shape["num_hidden_layers"] + per_layer
    logits = min(tokens, 2048) * shape["vocab_size"] * 8
    return float(weights + adapter + tokens * kept * width + logits)


def _linear(shape: dict[str, Any]) -> dict[str, tuple[int, int]]:
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    queries, keys = shape["num_attention_heads"] * head_dim(shape), kv_heads(shape) * head_dim(shape)
    return {
        "q_proj": (queries, hidden),
        "k_proj": (keys, hidden),
        "v_proj": (keys, hidden),
        "o_proj": (hidden, queries),
        "gate_proj": (inner, hidden),
        "up_proj": (inner, hidden),
        "down_proj": (hidden, inner),
    }


def _shape(checkpoint: Path) -> dict[str, Any]:
    shape: dict[str, Any] = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    return shape


def _flops_per_s(name: str, device: str) -> tuple[float | None, str]:
    if device == "cpu":
        return _measured_cpu_flops() * _CPU_UTILIZATION, "half the speed of a matrix product measured here"
    for part, tflops in _PEAK_TFLOPS.items():
        if part in name:
            return tflops * 1e12 * _UTILIZATION, f"{_UTILIZATION:.0%} of the card's {tflops} TFLOP/s"
    return None, f"nothing is known of {name}; train a few steps with training.max_steps"


def _measured_cpu_flops() -> float:
    import torch

    size = 1024
    left, right = torch.randn(size, size), torch.randn(size, size)
    left @ right
    started = time.perf_counter()
    for _ in range(5):
        left @ right
    return 5 * 2 * size**3 / (time.perf_counter() - started)
