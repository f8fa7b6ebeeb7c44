"""In which order a run's samples are made.

Models take turns prompt by prompt, A B then B A, over prompts in a seeded random order: drift of the machine then falls
on all of them alike. In-sequence order has exceeded the effect measured (llama.cpp PR #7372).
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.config import Config
from benchmarks.runs import FIXED_SHAPE
from data.suites import Prompt, Suite, balanced


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One answer to make. `prompt` is None for fixed-shape timing."""

    model: str
    suite: str
    prompt: Prompt | None
    prompt_id: str
    kind: str
    condition: str
    repetition: int
    seed: int


def schedule(config: Config, suites: Sequence[Suite]) -> list[Sample]:
    """All samples of a run in their order; the same for the same configuration and suites."""
    rng = random.Random(config.seed)
    models = list(config.models)
    rng.shuffle(models)
    samples: list[Sample] = []
    for condition in config.conditions:
        for turn, sample in enumerate(_questions(config, suites, condition, rng)):
            for model in models if turn % 2 == 0 else reversed(models):
                samples.append(Sample(model=model, **sample))
    return samples


def _questions(
    config: Config, suites: Sequence[Suite], condition: str, rng: random.Random
) -> Iterator[dict[str, object]]:
    common = {"condition": condition, "seed": config.seed}
    shape = f"pp{config.fixed_prefill_tokens}-tg{config.fixed_decode_tokens}"
    for repetition in range(config.fixed_repetitions):
        fixed = {"suite": FIXED_SHAPE, "prompt": None, "prompt_id": shape, "kind": FIXED_SHAPE}
        yield {**common, **fixed, "repetition": repetition}
    for repetition in range(config.repetitions):
        questions = [
            (suite.name, prompt)
            for suite in suites
            for prompt in balanced(suite.prompts, config.limit or None, config.kinds)
        ]
        rng.shuffle(questions)
        for suite_name, prompt in questions:
            asked = {"suite": suite_name, "prompt": prompt, "prompt_id": prompt.id, "kind": prompt.kind}
            yield {**common, **asked, "repetition": repetition}
