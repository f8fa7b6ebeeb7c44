"""One TOML per experiment, read into checked, frozen dataclasses.

Every key of the file is a field here, so an unknown one is an error that lists the known ones. `--set table.key=value`
changes one of them; the value is read as TOML, and as plain text where it is not TOML.
"""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from data.errors import TradeoffError
from data.gguf.types import QUANTIZATIONS
from data.records import build, read_toml, set_key

ALL_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class TrainingError(TradeoffError):
    """Training cannot go on; one line that names what, which value and what to do."""


class ConfigError(TrainingError):
    """A configuration that cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """The model that is fine-tuned.

    Attributes:
        source: "hub": a Hub repository with safetensors; "registry": an id of data/models.toml, whose GGUF is turned
            into a checkpoint; "path": a checkpoint's directory, or a GGUF.
        revision: Commit, tag or branch of a Hub repository; empty takes main.
        load_in_4bit: QLoRA: the frozen weights in 4 bits (NF4), quantized at loading. Needs a GPU.
    """

    source: Literal["hub", "registry", "path"]
    name: str
    revision: str = ""
    load_in_4bit: bool = False


@dataclass(frozen=True, kw_only=True)
class Lora:
    """The adapter: W + alpha / rank · B · A, with A of shape (rank, in) and B of shape (out, rank)."""

    rank: int
    alpha: int
    dropout: float = 0.0
    bias: Literal["none"] = "none"
    target_modules: tuple[str, ...] = ALL_LINEAR


@dataclass(frozen=True, kw_only=True)
class Optimization:
    """The `[training]` table.

    Attributes:
        max_length: Longest example in tokens; longer ones are dropped by prepare, never cut.
        effective_batch: Examples per optimizer step, whatever the number of GPUs.
        micro_batch: Examples per forward pass and GPU; lower it when memory runs out, the result stays the same.
        epochs, max_steps: The length of training; max_steps wins unless it is 0.
        precision: "auto" takes bf16 where the GPU has it, else fp16; fp32 on a CPU.
        gradient_checkpointing: "unsloth" is Unsloth's own where it trains, and the ordinary one elsewhere.
        eval_steps, save_steps, sample_steps: Optimizer steps between validations, checkpoints and samples; 0 never.
    """

    max_length: int
    learning_rate: float
    effective_batch: int
    micro_batch: int
    epochs: float = 1.0
    max_steps: int = 0
    scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = "linear"
    warmup_steps: int = 5
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    optimizer: Literal["adamw_8bit", "adamw_torch", "adamw_torch_fused"] = "adamw_torch"
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    gradient_checkpointing: Literal["unsloth", "on", "off"] = "off"
    group_by_length: bool = False
    seed: int = 3407
    log_steps: int = 1
    eval_steps: int = 0
    save_steps: int = 0
    sample_steps: int = 0
    keep_checkpoints: int = 2
    sample_prompts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowSource:
    """Where rows come from: one table under `[data.sources]`.

    Attributes:
        kind: "hub": a dataset repository; "file": JSONL or Parquet; "reasoning_gym": generated tasks; "replay": the
            base model's own answers.
        path: Of the local file, relative to the working directory.
        prompt_column, answer_column: For rows that are a question and an answer; empty detects `messages`,
            `conversations` (ShareGPT), `prompt`/`completion`, `instruction`/`output`, `question`/`answer` and others.
            A system message beside them (`system`) and what belongs to the question (`input`, `context`) are used.
        ignore_columns: Columns that are read as if they were not there, such as `tools`, which no row may have.
        system: A system message put before every row that has none.
        replace: Pairs (regular expression, replacement) applied to every answer.
        weight: Share of the training tokens; 0 for all sources takes every row of each.
        limit, repeat: Rows to read (replay: of each file of prompts), 0 takes all; times that each is trained on.
        licence: For the data card, where the Hub does not say.
        tasks, items_per_task, first_seed: Of reasoning_gym, with settings; or `path` names a file of tasks.
        without: Tasks of that file that are not trained on (they can still be asked).
        prompts, self_prompts: Files (or hub:REPO:SUBSET) of what the base answers; how many it writes itself (replay).
        instruction: A line below every one of these prompts, in what is asked and in what is trained on (replay).
        right_only: Keeps answers that come to the row's own number, after its "####" as in GSM8K (replay).
        demands: Requests generated by rule, of which code checks that the base's answer meets them (replay).
        max_new_tokens: Longest answer (replay); unfinished ones are dropped.
    """

    kind: Literal["hub", "file", "reasoning_gym", "replay"]
    name: str = ""
    subset: str = ""
    split: str = "train"
    revision: str = ""
    path: str = ""
    prompt_column: str = ""
    answer_column: str = ""
    ignore_columns: tuple[str, ...] = ()
    system: str = ""
    replace: tuple[tuple[str, str], ...] = ()
    weight: float = 0.0
    limit: int = 0
    repeat: int = 1
    licence: str = ""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    items_per_task: int = 0
    first_seed: int = 0
    without: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    self_prompts: int = 0
    instruction: str = ""
    right_only: bool = False
    demands: int = 0
    max_new_tokens: int = 256
    temperature: float = 0.7


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on.

    Attributes:
        template: "base" keeps the base model's chat template; "llama-3.1" is the report's.
        held_out: Suites of data/prompts drawn from the same tasks: their questions are removed where the whole text is
            the same. Prompts of all other suites are removed by shared runs of 13 words too.
        tokens: Of all sources together, by their weights; 0 takes as many as the scarcest source allows.
        validation_rows: Rows kept apart for the validation loss and for the parity gate's perplexity.
        path: Reads the only source from this local file instead.
        max_dropped: Highest share of a source's rows that may be unusable or too long; more is an error.
    """

    sources: Mapping[str, RowSource]
    template: Literal["base", "llama-3.1"] = "base"
    held_out: tuple[str, ...] = ()
    tokens: int = 0
    validation_rows: int = 200
    seed: int = 3407
    path: str = ""
    max_dropped: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Export:
    """What is written and what the parity gate accepts.

    Attributes:
        max_f16_kl: Highest mean KL divergence of the F16 file from the merged model, in nats per token.
        min_f16_top1: Lowest share of tokens with the same likeliest next token, near ties allowed.
        max_quantized_kl: Highest mean KL divergence of each quantized file.
        max_perplexity_increase: Highest relative increase of held-out perplexity by quantizing, 0.1 for 10%.
    """

    quantizations: tuple[str, ...] = ("q4_k_m",)
    max_f16_kl: float = 1e-4
    min_f16_top1: float = 0.995
    max_quantized_kl: float = 0.15
    max_perplexity_increase: float = 0.10


@dataclass(frozen=True, kw_only=True)
class Config:
    """An experiment. Tables of the TOML: base, lora, training, data, export."""

    name: str
    base: Base
    lora: Lora
    training: Optimization
    data: Data
    export: Export = field(default_factory=Export)

    def __post_init__(self) -> None:
        _check(self)


def load_config(path: Path, changes: Sequence[str] = ()) -> Config:
    """Read a TOML, with `key=value` changes on top.

    Raises:
        ConfigError: Not readable, unknown key, wrong value; one line that starts with the file.
    """
    if not path.exists():
        known = ", ".join(sorted(entry.stem for entry in CONFIGS_DIR.glob("*.toml")))
        raise ConfigError(f"{path}: cannot be read (No such file or directory); shipped in training/configs: {known}")
    values = read_toml(path, ConfigError)
    try:
        for change in changes:
            set_key(values, change, ConfigError)
        return from_dict(values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


CONFIGS_DIR = Path(__file__).with_name("configs")


def from_dict(values: Mapping[str, Any]) -> Config:
    """The config of a parsed TOML, or of `to_dict`'s result."""
    return build(Config, values, ConfigError)


def to_dict(config: Any) -> dict[str, Any]:
    """The resolved configuration as JSON types."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    return plain


def _check(config: Config) -> None:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789._-")
    if not config.name or not set(config.name) <= letters or config.name[0] in "._-":
        raise ConfigError(f"name is {config.name!r}; use a-z 0-9 . _ - (it names the run and its files)")
    least: dict[str, tuple[float, float]] = {
        "lora.rank": (config.lora.rank, 1),
        "lora.alpha": (config.lora.alpha, 1),
        "training.max_length": (config.training.max_length, 8),
        "training.effective_batch": (config.training.effective_batch, 1),
        "training.micro_batch": (config.training.micro_batch, 1),
        "training.log_steps": (config.training.log_steps, 1),
        "training.keep_checkpoints": (config.training.keep_checkpoints, 1),
        "data.validation_rows": (config.data.validation_rows, 1),
        "data.tokens": (config.data.tokens, 0),
    }
    for key, (value, low) in least.items():
        if value < low:
            raise ConfigError(f"{key} is {value}; the least is {low}")
    for key in ("max_steps", "warmup_steps", "eval_steps", "save_steps", "sample_steps", "seed", "weight_decay"):
        if (value := getattr(config.training, key)) < 0:
            raise ConfigError(f"training.{key} is {value}; the least is 0")
    if not 0 < config.training.learning_rate < 1:
        raise ConfigError(f"training.learning_rate is {config.training.learning_rate}; it must lie between 0 and 1")
    if config.training.epochs <= 0 and config.training.max_steps == 0:
        raise ConfigError("training.epochs is 0 or less and max_steps is 0: nothing would be trained")
    if not 0 <= config.lora.dropout < 1:
        raise ConfigError(f"lora.dropout is {config.lora.dropout}; it must lie in [0, 1)")
    _check_modules(config.lora)
    _check_batches(config.training)
    _check_sources(config.data)
    _check_quantizations(config.export)


def _check_modules(lora: Lora) -> None:
    if not lora.target_modules:
        raise ConfigError("lora.target_modules is empty; give at least one")
    for module in lora.target_modules:
        if module not in ALL_LINEAR:
            raise ConfigError(f"lora.target_modules has {module!r}; known: {', '.join(ALL_LINEAR)}")


def _check_batches(training: Optimization) -> None:
    if training.effective_batch % training.micro_batch:
        raise ConfigError(
            f"training.effective_batch is {training.effective_batch}, which micro_batch {training.micro_batch} does "
            "not divide; change one of them"
        )


def _check_sources(data: Data) -> None:
    if not data.sources:
        raise ConfigError("data.sources is empty; give at least one table, such as [data.sources.finetome]")
    if not 0 <= data.max_dropped <= 1:
        raise ConfigError(f"data.max_dropped is {data.max_dropped}; it must lie in [0, 1]")
    weights = [source.weight for source in data.sources.values()]
    if any(weight < 0 for weight in weights) or (any(weights) and not all(weights)):
        raise ConfigError("data.sources: give every source a weight above 0, or none of them")
    if data.path and len(data.sources) > 1:
        names = ", ".join(data.sources)
        raise ConfigError(f"data.path replaces the only source, there are {names}; set data.sources.NAME.path")
    for name, source in data.sources.items():
        key = {"hub": "name", "file": "path"}.get(source.kind)
        if key and not getattr(source, key) and not data.path:
            raise ConfigError(f"data.sources.{name}: kind {source.kind!r} needs {key!r}")
        if source.kind == "reasoning_gym" and not source.path and not (source.tasks and source.items_per_task > 0):
            raise ConfigError(f"data.sources.{name}: kind 'reasoning_gym' needs tasks and items_per_task, or path")
        if source.repeat < 1:
            raise ConfigError(f"data.sources.{name}.repeat is {source.repeat}; the least is 1")
        if source.kind == "replay" and not (source.path or source.prompts or source.self_prompts > 0 or source.demands):
            raise ConfigError(f"data.sources.{name}: kind 'replay' needs 'prompts', 'self_prompts' or 'demands'")
        if bool(source.prompt_column) != bool(source.answer_column):
            raise ConfigError(f"data.sources.{name}: prompt_column and answer_column go together")
        _check_replacements(f"data.sources.{name}.replace", source.replace)


def _check_replacements(where: str, pairs: Sequence[tuple[str, str]]) -> None:
    for pattern, replacement in pairs:
        try:
            re.sub(pattern, replacement, "")
        except re.error as error:
            raise ConfigError(f"{where} has {[pattern, replacement]}: {error}") from None


def _check_quantizations(export: Export) -> None:
    for quantization in export.quantizations:
        if quantization not in QUANTIZATIONS:
            raise ConfigError(f"export.quantizations has {quantization!r}; known: {', '.join(QUANTIZATIONS)}")
