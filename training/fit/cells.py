"""What `training.throughput` measures: configurations, shapes, batches and numbers of cards."""

from collections.abc import Mapping
from dataclasses import dataclass

from training.config import CONFIGS_DIR, Config, load_config

WARM_UP_STEPS, TIMED_STEPS, PROFILED_STEPS = 4, 16, 2


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement.

    Attributes:
        shape: Of `benchmarks.shapes`, or a registry id.
        examples, length: Of one card's optimizer step, in examples and tokens an example.
        cards: GPUs that work at once, each on so many examples; one step is all of theirs.
        changes: Further `--set` changes; `environment`: variables of the process.
    """

    config: str
    shape: str
    backend: str
    examples: int
    length: int
    cards: int = 1
    changes: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None


_PADDING_FREE, _PADDED = ({"UNSLOTH_DISABLE_AUTO_PADDING_FREE": value} for value in ("0", "1"))
CELLS: Mapping[str, Cell] = {
    **{
        f"{shape}-{rank}-{backend}-{examples}x{length}": Cell(
            config=f"llama-3.2-{shape}-{rank}",
            shape=shape,
            backend=backend,
            examples=examples,
            length=length,
            environment=_PADDING_FREE,
        )
        for shape, rank in (("1b", "r8"), ("3b", "r16"))
        for backend in ("unsloth", "trl")
        for examples, length in ((2, 1024), (8, 1024))
    },
    "1b-r8-unsloth-8x1024-padded": Cell(
        config="llama-3.2-1b-r8",
        shape="1b",
        backend="unsloth",
        examples=8,
        length=1024,
        environment=_PADDED,
    ),
    "1b-r8-unsloth-8x1024-fp16": Cell(
        config="llama-3.2-1b-r8",
        shape="1b",
        backend="unsloth",
        examples=8,
        length=1024,
        changes=("training.precision=fp16",),
    ),
    **{
        f"smollm2-135m-r8-{backend}-128x192": Cell(
            config="smollm2-135m-r8", shape="smollm2-135m", backend=backend, examples=128, length=192
        )
        for backend in ("unsloth", "trl")
    },
    **{
        f"qwen2.5-coder-1.5b-r16-{backend}-{of}-{cards}": Cell(
            config="qwen2.5-coder-1.5b-r16",
            shape="qwen2.5-coder-1.5b",
            backend=backend,
            examples=examples // cards if of.endswith("in-all") else examples,
            length=1024,
            cards=cards,
            environment=_PADDING_FREE,
        )
        for backend, of, examples in (
            ("unsloth", "16x1024-a-card", 16),
            ("trl", "16x1024-a-card", 16),
            ("unsloth", "8x1024-in-all", 8),
        )
        for cards in (1, 2, 4)
    },
}


def cell_config(cell: Cell, base: str) -> Config:
    """The shipped configuration, changed to this cell's base, batch and length."""
    source = "registry" if cell.shape == base else "path"
    steps = WARM_UP_STEPS + TIMED_STEPS + PROFILED_STEPS
    return load_config(
        CONFIGS_DIR / f"{cell.config}.toml",
        [
            f'base.source="{source}"',
            f'base.name="{base}"',
            f"training.micro_batch={cell.examples}",
            f"training.effective_batch={cell.examples * cell.cards}",
            f"training.max_length={cell.length}",
            f"training.max_steps={steps}",
            "training.log_steps=1",
            "training.eval_steps=0",
            "training.save_steps=0",
            *cell.changes,
        ],
    )
