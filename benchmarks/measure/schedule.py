"""In which order a run's samples are made.

Models take turns prompt by prompt, A B then B A, over prompts in a seeded random order: drift of the machine then falls
on all of them alike. In-sequence order has exceeded the effect measured (llama.cpp PR #7372).
"""

import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.config import Config
from benchmarks.runs.read import AS_SERVED, DEPTH, FIXED_SHAPE
from data.suites.prompts import Prompt, Suite, balanced


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One answer to make.

    Attributes:
        prompt: None where a fixed number of tokens is timed, and `shape` says how many are read and written.
    """

    model: str
    suite: str
    prompt: Prompt | None
    prompt_id: str
    kind: str
    condition: str
    repetition: int
    seed: int
    shape: tuple[int, int] | None = None


def schedule(config: Config, suites: Sequence[Suite], served: Collection[str] = ()) -> list[Trial]:
    """All samples of a run in their order; the same for the same configuration and suites.

    Args:
        served: Models that another's server has: their single answers are of a condition of their own, and shapes,
            which are given in tokens, are not theirs.
    """
    rng = random.Random(config.seed)
    models = list(config.models)
    rng.shuffle(models)
    trials: list[Trial] = []
    for condition, limit in _passes(config):
        for turn, question in enumerate(_questions(config, suites, rng, limit)):
            if question.prompt is None and condition != "timed-cold":
                continue  # a fixed shape is for timing, from a cold cache
            for model in models if turn % 2 == 0 else reversed(models):
                if model not in served:
                    trials.append(_trial(question, model, condition, config))
                elif question.prompt is not None:
                    own = condition if condition == "batched" else AS_SERVED
                    trials.append(_trial(question, model, own, config))
    return trials


def _passes(config: Config) -> Iterator[tuple[str, int]]:
    """Conditions, and a limit of each suite besides the configured one; 0 where there is none.

    A batched run first asks a few prompts alone, to see what batching changes.
    """
    alone = "batched" in config.conditions and "timed-cold" not in config.conditions and config.temperature == 0
    if alone and config.alone_prompts:
        yield "timed-cold", config.alone_prompts
    for condition in config.conditions:
        yield condition, 0


@dataclass(frozen=True, kw_only=True)
class _Question:
    repetition: int
    suite: str
    prompt: Prompt | None
    shape: tuple[int, int] | None = None

    @property
    def id(self) -> str:
        if self.prompt:
            return self.prompt.id
        read, written = self.shape or (0, 0)
        return f"d{read}-tg{written}" if self.suite == DEPTH else f"pp{read}-tg{written}"


def _questions(config: Config, suites: Sequence[Suite], rng: random.Random, limit: int) -> Iterator[_Question]:
    for repetition in range(config.fixed_repetitions):
        shape = (config.fixed_prefill_tokens, config.fixed_decode_tokens)
        yield _Question(repetition=repetition, suite=FIXED_SHAPE, prompt=None, shape=shape)
        for depth in config.depths:
            yield _Question(repetition=repetition, suite=DEPTH, prompt=None, shape=(depth, config.fixed_decode_tokens))
    for repetition in range(config.repetitions):
        block = [
            _Question(repetition=repetition, suite=suite.name, prompt=prompt)
            for suite in suites
            for prompt in balanced(suite.prompts, _fewest(limit, config.limit_of(suite.name)), config.kinds)
        ]
        rng.shuffle(block)
        yield from block


def _fewest(*limits: int) -> int | None:
    return min((limit for limit in limits if limit), default=None)


def _trial(question: _Question, model: str, condition: str, config: Config) -> Trial:
    prompt = question.prompt
    return Trial(
        model=model,
        suite=question.suite,
        prompt=prompt,
        prompt_id=question.id,
        kind=prompt.kind if prompt else FIXED_SHAPE,
        condition=condition,
        repetition=question.repetition,
        seed=_seed(config, question.repetition) if prompt else config.seed,
        shape=question.shape,
    )


def _seed(config: Config, repetition: int) -> int:
    """At a temperature, repetitions differ; without one they would be the same whatever the seed."""
    return config.seed + repetition if config.temperature > 0 else config.seed
