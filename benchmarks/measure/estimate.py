"""What a run will cost, before it begins: prompts, tokens, minutes and memory, and what each figure rests on."""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.config import Config
from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.machine import required_memory_bytes
from benchmarks.measure.manifest import new_manifest
from benchmarks.measure.models import ModelUnderTest
from benchmarks.measure.sample import COLD, measure
from benchmarks.measure.schedule import Trial, schedule
from benchmarks.runs.read import FIXED_SHAPE, Row, Run
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.suites.prompts import Suite
from data.tables import aligned

_CHARACTERS_PER_TOKEN = 4
_TEMPLATE_TOKENS = 30
_SHORT_SHAPE = (128, 32)
_FEWEST_DECODED = 8
BATCHED = "batched"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Tokens per second alone, and in batches the tokens read and written per second of the whole pass.

    Attributes:
        source: Where they come from, in words.
    """

    prefill: float
    decode: float
    batched: float | None
    source: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One model under one condition.

    Attributes:
        read, written: Tokens; `written` is what its answers took before, else other models', else the limits.
        written_from: Which of these, in words.
        rates: None where the model could not be loaded, or has no file.
        memory_bytes: That its load needs; None where the file cannot be read.
        usd: What the tokens cost, of a model that another's server has at a price.
        served: Such a one; its seconds are the server's, and not known before.
    """

    model: str
    condition: str
    samples: int
    read: int
    written: int
    written_from: str
    rates: Rates | None
    memory_bytes: int | None
    usd: float | None = None
    served: bool = False

    @property
    def seconds(self) -> float | None:
        if self.rates is None:
            return None
        if self.condition == BATCHED and self.rates.batched:
            return (self.read + self.written) / self.rates.batched
        return self.read / self.rates.prefill + self.written / self.rates.decode


def this_machine(config: Config, suites: Sequence[Suite]) -> str:
    """As `Run.machine` would say of a run that begins now."""
    return Run(directory=Path(), manifest=new_manifest("", config, suites), rows=()).machine


def estimate(
    config: Config, suites: Sequence[Suite], models: Sequence[ModelUnderTest], earlier: Sequence[Run], machine: str
) -> list[Cost]:
    """A cost for each model and condition of a run, in the order in which the models are named.

    Args:
        earlier: Runs whose answers and rates may serve.
        machine: This one, as `Run.machine` says it: rates of others do not count.
    """
    config = dataclasses.replace(config, models=tuple(model.id for model in models))
    trials = schedule(config, suites, {model.id for model in models if model.served})
    rows = [row for run in earlier for row in run.rows if row.error is None]
    written = _written(rows)
    costs = []
    for model in models:
        rates = _known_rates(model.sha256, earlier, machine)
        rates = rates or (None if model.served else _measured_rates(model, config))
        for condition in dict.fromkeys(trial.condition for trial in trials):
            mine = [trial for trial in trials if trial.model == model.id and trial.condition == condition]
            if mine:
                costs.append(_cost(model, condition, mine, written, rates, config))
    return costs


def _cost(
    model: ModelUnderTest,
    condition: str,
    trials: Sequence[Trial],
    written: Mapping[tuple[str, str, str], tuple[float, float]],
    rates: Rates | None,
    config: Config,
) -> Cost:
    read, wrote, sources = 0.0, 0.0, dict.fromkeys(("its own answers", "other models' answers", "the limits"), 0)
    for trial in trials:
        if trial.prompt is None:
            shape = trial.shape or (config.fixed_prefill_tokens, config.fixed_decode_tokens)
            read, wrote = read + shape[0], wrote + shape[1]
            continue
        own = written.get((model.sha256, trial.suite, trial.prompt_id))
        known = own or written.get(("", trial.suite, trial.prompt_id))
        sources["its own answers" if own else "other models' answers" if known else "the limits"] += 1
        characters = sum(len(turn.content) for turn in trial.prompt.messages)
        limit = min(trial.prompt.max_tokens, config.max_tokens or trial.prompt.max_tokens)
        tokens = known or (characters / _CHARACTERS_PER_TOKEN + _TEMPLATE_TOKENS, limit)
        read, wrote = read + tokens[0], wrote + min(tokens[1], limit)
    return Cost(
        model=model.id,
        condition=condition,
        samples=len(trials),
        read=round(read),
        written=round(wrote),
        written_from=", ".join(f"{name} ({count})" for name, count in sources.items() if count) or "fixed shapes",
        rates=rates,
        memory_bytes=_memory(model, config, config.batch_sequences if condition == BATCHED else 1),
        usd=_usd(model, read, wrote),
        served=model.served,
    )


def _usd(model: ModelUnderTest, read: float, wrote: float) -> float | None:
    prices = [model.facts.get(f"usd_per_million_{way}") for way in ("in", "out")]
    known = [price for price in prices if price is not None]
    return None if len(known) < 2 else float(known[0] * read + known[1] * wrote) / 1e6


def _written(rows: Iterable[Row]) -> dict[tuple[str, str, str], tuple[float, float]]:
    """Mean tokens read and written per file and prompt, of whole answers; under an empty sha256 those of all files."""
    found: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
    for row in rows:
        whole = row.is_answer and not row.truncated
        if whole and row.prompt_tokens is not None and row.completion_tokens is not None:
            for sha256 in (row.model_sha256, ""):
                tokens = (row.prompt_tokens, row.completion_tokens)
                found.setdefault((sha256, row.suite, row.prompt_id), []).append(tokens)
    return {
        key: (statistics.fmean(read for read, _ in values), statistics.fmean(wrote for _, wrote in values))
        for key, values in found.items()
    }


def _known_rates(sha256: str, earlier: Sequence[Run], machine: str) -> Rates | None:
    """From the runs on this machine, newest last."""
    here = [run for run in earlier if run.machine == machine]
    rows = [row for run in here for row in run.rows if row.model_sha256 == sha256 and row.error is None]
    alone = [row for row in rows if row.condition == COLD and row.is_answer]
    alone = alone or [row for row in rows if row.condition == COLD and row.suite == FIXED_SHAPE]
    prefill = [rate for row in alone if (rate := row.prefill_tok_per_s)]
    decode = [rate for row in alone if (row.decode_tokens or 0) >= _FEWEST_DECODED and (rate := row.decode_tok_per_s)]
    if not prefill or not decode:
        return None
    ids = ", ".join(run.id for run in here if any(row.model_sha256 == sha256 for row in run.rows))
    return Rates(
        prefill=statistics.median(prefill),
        decode=statistics.median(decode),
        batched=_batched_rate([row for row in rows if row.condition == BATCHED]),
        source=f"measured in {ids}",
    )


def _batched_rate(rows: Sequence[Row]) -> float | None:
    """Tokens read and written per second, over the time in which any answer was being made: pauses do not count."""
    spans = sorted((begin, begin + row.total_s) for row in rows if row.total_s and (begin := _begin(row)))
    if len(spans) < 2:
        return None
    seconds, end = 0.0, spans[0][0]
    for begin, last in spans:
        seconds += max(0.0, last - max(begin, end))
        end = max(end, last)
    return sum((row.prompt_tokens or 0) + (row.completion_tokens or 0) for row in rows if row.total_s) / seconds


def _begin(row: Row) -> float | None:
    """Seconds since 1970; None where the time is damaged."""
    try:
        return datetime.fromisoformat(row.started_at).timestamp()
    except ValueError:
        return None


def _measured_rates(model: ModelUnderTest, config: Config) -> Rates | None:
    """Of one short fixed shape, now; None where the model cannot be loaded."""
    shape = Trial(
        model=model.id,
        suite=FIXED_SHAPE,
        prompt=None,
        prompt_id="short",
        kind=FIXED_SHAPE,
        condition=COLD,
        repetition=0,
        seed=config.seed,
        shape=_SHORT_SHAPE,
    )
    model.load()
    try:
        row = measure(shape, model, config) if model.engine else None
    finally:
        model.close()
    if row is None or not row.prefill_tok_per_s or not row.decode_tok_per_s:
        return None
    return Rates(
        prefill=row.prefill_tok_per_s, decode=row.decode_tok_per_s, batched=None, source="measured just now, briefly"
    )


def _memory(model: ModelUnderTest, config: Config, sequences: int) -> int | None:
    options = LoadOptions(context_tokens=config.context_tokens, sequences=sequences)
    try:
        return required_memory_bytes(read_model(model.path), options) if model.path else None
    except (GGUFError, OSError):
        return None


def cost_table(costs: Sequence[Cost]) -> str:
    """The costs as aligned text."""
    head = ["model", "condition", "samples", "tokens read", "written", "from", "minutes", "memory GB", "rates"]
    return aligned([head, *map(_cells, costs)])


def _cells(cost: Cost) -> list[str]:
    at_most = "" if cost.rates is None or cost.condition != BATCHED or cost.rates.batched else "at most "
    return [
        cost.model,
        cost.condition,
        str(cost.samples),
        f"{cost.read:,}",
        f"{cost.written:,}",
        cost.written_from,
        "–" if cost.seconds is None else f"{at_most}{cost.seconds / 60:.1f}",
        "–" if cost.memory_bytes is None else f"{cost.memory_bytes / 1e9:.2f}",
        cost.rates.source if cost.rates else f"none: {why_no_rates(cost)}",
    ]


def why_no_rates(cost: Cost) -> str:
    """Why it is not known how long a model takes."""
    if not cost.served:
        return "the model could not be timed"
    return "a server's seconds are not known before" + ("" if cost.usd is None else f"; tokens for ${cost.usd:.2f}")
