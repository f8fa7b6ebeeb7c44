"""The cells of `training.throughput`: each loaded, trained and timed in a process of its own, and their table."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.command import say
from data.tables import markdown
from training.checkpoints.base_model import resolve
from training.config import Config
from training.fit import unsloth
from training.fit.backends import BackendChoice, choose, load
from training.fit.cards import first_alone
from training.fit.cells import CELLS, PROFILED_STEPS, TIMED_STEPS, WARM_UP_STEPS, Cell, cell_config
from training.fit.trainer import make_trainer
from training.rows.build import Prepared
from training.rows.examples import load_tokenizer

_EXAMPLES, _COMMON_TOKENS = 64, 4_000
_MOST_KERNELS = 12
_MOVED = 0.99  # the loss has moved when it is below this share of its first value
_EPOCH_TOKENS = 50_000_000  # FineTome-100k at 500 tokens an example: assumed, its data were not read here
_T4 = {"compute": 65 / 989, "bandwidth": 320 / 3350}  # of an H100's, by the vendor's data sheets


def measure_cell(name: str, base: str, scratch: Path) -> dict[str, Any]:
    """Load and train one cell in this process.

    Args:
        base: The F16 GGUF of the shape, or the registry id.
    """
    cell = CELLS[name]
    config = cell_config(cell, base)
    choice = choose(config, cell.backend)
    if choice.backend == "unsloth":
        unsloth.import_first()
    prepared = Prepared(path=scratch, card={})
    with first_alone(choice.world_size):
        checkpoint = resolve(config.base).path
        if not prepared.train.exists():
            _write_examples(prepared, config.training.max_length, config.training.seed)
    return _timed(cell, config, choice, checkpoint, prepared)


def _timed(cell: Cell, config: Config, choice: BackendChoice, checkpoint: Path, prepared: Prepared) -> dict[str, Any]:
    import torch

    gpu, scratch = torch.cuda.is_available(), prepared.path
    started = time.perf_counter()
    model = load(choice, checkpoint, config)
    loaded_s = time.perf_counter() - started
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    steps = _step_times(scratch / "profile.json" if gpu else None)
    trainer = make_trainer(
        model,
        load_tokenizer(checkpoint, "base"),
        prepared,
        config,
        checkpoints=scratch / "checkpoints",
        precision=choice.precision,
        world_size=choice.world_size,
        callback=steps,
    )
    trainer.train()
    return {
        "device": choice.device_name,
        "precision": choice.precision,
        "attention": _attention(model),
        "load_s": round(loaded_s, 1),
        **_timings(cell, steps.seconds),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 3) if gpu else None,
        **_losses([entry["loss"] for entry in trainer.state.log_history if "loss" in entry]),
        "kernels": steps.kernels,
    }


def _timings(cell: Cell, seconds: Sequence[float]) -> dict[str, Any]:
    timed = seconds[WARM_UP_STEPS : WARM_UP_STEPS + TIMED_STEPS]
    tokens = cell.examples * cell.length * cell.cards
    return {
        "tokens_per_step": tokens,
        "step_s": [round(seconds, 4) for seconds in timed],
        "tokens_per_s": round(tokens / statistics.median(timed), 1),
    }


def _losses(losses: Sequence[float]) -> dict[str, Any]:
    return {
        "losses": [round(loss, 4) for loss in losses],
        "steps_until_loss_moves": next((step for step, loss in enumerate(losses) if loss < _MOVED * losses[0]), None),
    }


def _step_times(profile: Path | None) -> Any:
    """A trainer callback that times each step with the GPU idle at both ends, and profiles the last ones."""
    import torch
    from transformers import TrainerCallback

    class StepTimes(TrainerCallback):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.kernels: list[dict[str, Any]] = []
            self._profiler: Any = None
            self._started_s = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            _wait()
            if profile and state.global_step == WARM_UP_STEPS + TIMED_STEPS:
                self._profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
                self._profiler.__enter__()
            self._started_s = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            _wait()
            self.seconds.append(time.perf_counter() - self._started_s)
            if self._profiler and state.global_step == state.max_steps:
                self._profiler.__exit__(None, None, None)
                self.kernels = _top_kernels(self._profiler)

    return StepTimes()


def _wait() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _top_kernels(profiler: Any) -> list[dict[str, Any]]:
    """The kernels that took most of the GPU's time, with their share of it and of how many launches."""
    events = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    total = sum(event.self_device_time_total for event in events) or 1
    events.sort(key=lambda event: event.self_device_time_total, reverse=True)
    return [
        {
            "kernel": event.key[:90],
            "share": round(event.self_device_time_total / total, 4),
            "ms_per_step": round(event.self_device_time_total / 1000 / PROFILED_STEPS, 2),
            "launches_per_step": event.count // PROFILED_STEPS,
        }
        for event in events[:_MOST_KERNELS]
    ]


def _attention(model: Any) -> str:
    return str(getattr(model.config, "_attn_implementation", "unknown"))


def _write_examples(prepared: Any, length: int, seed: int) -> None:
    """Random tokens, some far more common than others, so that there is something to learn in a few steps."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    rng = np.random.default_rng(seed)
    chance = 1 / np.arange(1, _COMMON_TOKENS + 1)
    ids = rng.choice(_COMMON_TOKENS, size=(_EXAMPLES, length), p=chance / chance.sum()) + 100
    kind = pa.list_(pa.int32())
    rows = pa.table({"input_ids": pa.array(list(ids), kind), "labels": pa.array(list(ids), kind)})
    prepared.path.mkdir(parents=True, exist_ok=True)
    parquet.write_table(rows, prepared.train)
    parquet.write_table(rows.slice(0, 2), prepared.validation)


def measure(names: Sequence[str], shapes: Path, out: Path) -> list[dict[str, Any]]:
    """Measure cells one after the other, each in its own process; `out` holds all that are done, at any time."""
    results: list[dict[str, Any]] = json.loads(out.read_text(encoding="utf-8")) if out.exists() else []
    for name in names:
        cell = CELLS[name]
        base = str(shapes / f"{cell.shape}.gguf") if cell.shape in ("1b", "3b") else cell.shape
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            command = [*_python(cell.cards), "training.throughput", "cell", name, "--base", base, "--scratch", scratch]
            done = subprocess.run(
                command, capture_output=True, text=True, env={**os.environ, **(cell.environment or {})}
            )
        row: dict[str, Any] = {"cell": name, **asdict(cell), "seconds": round(time.monotonic() - started, 1)}
        try:
            row |= json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            row["error"] = " | ".join((done.stderr or done.stdout).strip().splitlines()[-4:])[-600:]
        results = [each for each in results if each["cell"] != name] + [row]
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        reached = f"{row.get('tokens_per_s')} tokens/s, {row.get('peak_gib')} GiB"
        say(f"{name}: {row.get('error') or reached}")
    return results


def _python(cards: int) -> list[str]:
    several = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(cards), "-m"]
    return [sys.executable, "-m", *(several if cards > 1 else [])]


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """The cells as Markdown, each Unsloth cell with its ratio to the plain one of the same batch."""
    by_name = {row["cell"]: row for row in results}
    head = ["cell", "tokens/s", "peak GiB a card", "speed against trl", "memory against trl", "speed against one card"]
    head += ["loss moves at step"]
    head += [f"hours for {_EPOCH_TOKENS // 1_000_000} M tokens, here", "and on a T4 (scaled)"]
    lines = []
    for row in results:
        if "error" in row:
            lines.append([row["cell"], f"failed: {row['error'][:80]}", *[""] * 7])
            continue
        plain = by_name.get(row["cell"].removesuffix("-padded").removesuffix("-fp16").replace("unsloth", "trl"), {})
        alone = by_name.get(f"{row['cell'].rpartition('-')[0]}-1", {}) if row.get("cards", 1) > 1 else {}
        compared = row["backend"] == "unsloth" and "tokens_per_s" in plain
        hours = _EPOCH_TOKENS / row["tokens_per_s"] / 3600
        moved = row["steps_until_loss_moves"]
        lines.append(
            [
                row["cell"],
                f"{row['tokens_per_s']:,.0f}",
                f"{row['peak_gib']:.2f}" if row["peak_gib"] is not None else "–",
                f"{row['tokens_per_s'] / plain['tokens_per_s']:.2f}×" if compared else "",
                f"{row['peak_gib'] / plain['peak_gib']:.2f}×" if compared and plain.get("peak_gib") else "",
                f"{row['tokens_per_s'] / alone['tokens_per_s']:.2f}×" if "tokens_per_s" in alone else "",
                str(moved) if moved is not None else f"not in {len(row['losses'])}",
                f"{hours:.1f}",
                f"{hours / _T4['bandwidth']:.0f} to {hours / _T4['compute']:.0f}",
            ]
        )
    return markdown(head, lines, numbers_from=1)
