"""Two models' grades drawn at random, with a known difference between them."""

import numpy as np
from numpy.random import Generator

from benchmarks.statistics.pairs import PromptKey, Scores


def simulated_pair(
    rng: Generator,
    *,
    prompts: int,
    share: float,
    gain: float,
    discordant: float = 0.3,
    per_template: int = 1,
) -> tuple[Scores, Scores]:
    """Grades of model a, and of model b, which gets `gain` fewer right.

    Args:
        share: Prompts that both get right, of those on which they agree.
        discordant: Share of prompts that only one of them gets right.
        per_template: Prompts that share a template; both models find a template easy or hard together.
    """
    only_a, only_b = (discordant + gain) / 2, (discordant - gain) / 2
    templates = np.repeat(np.arange(prompts // per_template), per_template)
    ease = np.clip(share + 0.3 * rng.normal(size=templates.max() + 1), 0, 1)[templates]
    kind, luck = rng.random(prompts), rng.random(prompts) < ease
    a = np.where(kind < only_a, 1.0, np.where(kind < only_a + only_b, 0.0, luck.astype(float)))
    b = np.where(kind < only_a, 0.0, np.where(kind < only_a + only_b, 1.0, luck.astype(float)))
    return _scores("a", a, templates), _scores("b", b, templates)


def _scores(model: str, grades: "np.typing.NDArray[np.float64]", templates: "np.typing.NDArray[np.int_]") -> Scores:
    keys: list[PromptKey] = [("s", str(place)) for place in range(grades.size)]
    return Scores(
        model=model,
        condition="batched",
        grades=dict(zip(keys, grades.tolist())),
        clusters=dict(zip(keys, templates.tolist())),
        asked=frozenset(keys),
    )
