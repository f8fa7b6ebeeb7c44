"""One TOML per benchmark, read into a checked, frozen `Config`."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine import ENGINES, SERVED
from benchmarks.engine.chat_template import read_switches
from benchmarks.engine.contract import TemplateSwitch
from benchmarks.runs.read import AGAIN, CONDITIONS, Run
from data.errors import TradeoffError
from data.records import build, read_toml


class ConfigError(TradeoffError):
    """A configuration that cannot be used; one line with the file, the key and what to do."""


def original(model: str) -> str:
    """The id without `AGAIN`: what the registry knows, and what an A/A arm is compared with."""
    return model.removesuffix(AGAIN)


@dataclass(frozen=True, kw_only=True)
class Config:
    """What `benchmarks.run` measures. Every key of the TOML is a field here.

    Attributes:
        name: Of the run's directory, with the time.
        models: Ids in `data/models.toml`; paths of scripts for the scripted engine. With "ID@again" beside "ID", the
            same file is measured twice in a process of its own each: the A/A arm, whose difference is noise alone.
        suites: Names in `data/prompts`, or paths of JSONL files; may be empty where only fixed shapes are timed.
        kinds: Kinds of prompts to keep; empty keeps all.
        limit: Prompts of each suite, taken in turn from its kinds; 0 takes all.
        limits: The same for single suites, such as "reasoning=220".
        conditions: "timed-cold": one sequence, nothing else running, the whole prompt read again. "warm": the same,
            with the prompt in the cache already, as in a chat that goes on. "batched": several prompts of one model
            at once, for its answers; its timings are not those of single answers.
        batch_sequences: Prompts at once in "batched".
        alone_prompts: Of each suite, so many prompts of a "batched" run are also asked one at a time, to count the
            answers that differ; none where "timed-cold" is run anyway, or at a temperature.
        jobs: Models at once in "batched", each in a worker with `threads` threads of its own; timed samples are always
            made alone.
        warmups: Answers made before the first sample and thrown away, per model.
        repetitions: Samples per prompt and model.
        seed: Of the sampler and of the order of the samples.
        temperature: 0 always takes the likeliest token.
        context_tokens: KV cache, in tokens.
        threads: Of each worker; 0 takes what the process may use (affinity and container quota), parted among `jobs`.
        max_tokens: Upper bound of every reply besides the prompt's own; 0 sets none.
        end_loops: End replies that repeat themselves word for word, and count them apart; see
            `benchmarks.engine.reply_text.in_a_loop`.
        end_when_decided: In "batched": ask a model no more of a suite in which it is told apart from every other one
            (`benchmarks.statistics.sequential`). A/A arms are asked everything, as they are never told apart.
        fixed_prefill_tokens, fixed_decode_tokens, fixed_repetitions: Fixed-shape timing besides the prompts, as
            llama-bench's pp and tg; 0 repetitions leave it out.
        depths: Tokens of context after which decoding is timed too, at each of the fixed repetitions: [0, 512, 2048].
        template_switches: Settings of the chat templates, such as "enable_thinking=false", for those models whose
            template knows them.
        engine: "llama_cpp", or "scripted", a fake for tests; a model that a server has is asked there all the same.
    """

    name: str
    models: tuple[str, ...]
    suites: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    limit: int = 0
    limits: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ("timed-cold",)
    batch_sequences: int = 8
    alone_prompts: int = 8
    jobs: int = 1
    warmups: int = 2
    repetitions: int = 1
    seed: int = 3407
    temperature: float = 0.0
    context_tokens: int = 2048
    threads: int = 0
    max_tokens: int = 0
    end_loops: bool = True
    end_when_decided: bool = False
    fixed_prefill_tokens: int = 512
    fixed_decode_tokens: int = 128
    fixed_repetitions: int = 0
    depths: tuple[int, ...] = ()
    template_switches: tuple[str, ...] = ()
    engine: str = "llama_cpp"

    def __post_init__(self) -> None:
        for name in ("models", "suites", "conditions"):
            values = getattr(self, name)
            if not values and not (name == "suites" and self.fixed_repetitions):
                raise ConfigError(f"{name} is empty; give at least one")
            if "" in values:
                raise ConfigError(f"{name} is {list(values)!r}; expected a list of texts, none of them empty")
            if twice := [value for value in values if values.count(value) > 1]:
                raise ConfigError(f"{name} has {twice[0]!r} twice")
        if alone := [id_ for id_ in self.models if original(id_) not in self.models]:
            raise ConfigError(f"models has {alone[0]!r} without {original(alone[0])!r}; an A/A arm needs both")
        for name, known in (("conditions", CONDITIONS), ("engine", [each for each in ENGINES if each != SERVED])):
            for value in self.conditions if name == "conditions" else (self.engine,):
                if value not in known:
                    raise ConfigError(f"{name}: {value!r} cannot be run; known: {', '.join(known)}")
        if not self.name or not all(letter.isalnum() or letter in "-_." for letter in self.name) or self.name[0] == ".":
            raise ConfigError(f"name is {self.name!r}; use letters, digits, '-', '_' and '.': it names a directory")
        self._check_ranges()
        _ = self.switches
        for suite in self.suites:
            self.limit_of(Path(suite).stem)

    @property
    def switches(self) -> tuple[tuple[str, TemplateSwitch], ...]:
        """`template_switches` as names and values."""
        try:
            return read_switches(self.template_switches)
        except ValueError as error:
            raise ConfigError(f"template_switches: {error}") from None

    def limit_of(self, suite: str) -> int:
        """Prompts of this suite; 0 takes all."""
        for each in self.limits:
            name, equals, number = each.partition("=")
            if not equals or not number.isdecimal():
                raise ConfigError(f'limits: {each!r} is not of the form "reasoning=220"')
            if name == suite:
                return int(number)
        return self.limit

    def _check_ranges(self) -> None:
        least = {
            "repetitions": 1,
            "context_tokens": 64,
            "batch_sequences": 1,
            "jobs": 1,
            "fixed_prefill_tokens": 1,
            "fixed_decode_tokens": 2,
        }
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int) and not least.get(field.name, 0) <= value <= 2**32 - 1:
                raise ConfigError(f"{field.name} is {value}; the least is {least.get(field.name, 0)}")
        if self.depths and (min(self.depths) < 0 or not self.fixed_repetitions):
            raise ConfigError(f"depths is {list(self.depths)}; they are 0 or more, and need fixed_repetitions")
        shape = max(self.fixed_prefill_tokens, *self.depths, 0) + self.fixed_decode_tokens + 1
        if self.fixed_repetitions and shape > self.context_tokens:
            raise ConfigError(f"context_tokens is {self.context_tokens}; the fixed shape needs at least {shape}")
        if not 0 <= self.temperature <= 2:
            raise ConfigError(f"temperature is {self.temperature}; it must lie between 0 and 2")


def config_of(run: Run) -> Config:
    """The configuration of a run, as its manifest has it.

    Raises:
        ConfigError: It has none that can be read; one line that starts with the run.
    """
    known = {field.name for field in dataclasses.fields(Config)}
    values = {key: value for key, value in run.manifest.get("config", {}).items() if key in known}
    try:
        return build(Config, values, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{run.id}: its configuration cannot be used: {error}") from None


def load_config(path: Path) -> Config:
    """Read a benchmark's TOML.

    Raises:
        ConfigError: Not readable, not TOML, an unknown key or a wrong value; one line that starts with the file.
    """
    values = read_toml(path, ConfigError)
    try:
        return build(Config, values, ConfigError)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
