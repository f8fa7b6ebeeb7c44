"""How long a run will take that somebody is about to start, as `benchmarks.run --dry-run` works it out.

A model that this machine has never timed is timed now, briefly: that takes seconds, so it happens in the background,
one model after another.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.chat.running import one_line
from benchmarks.config import Config, ConfigError
from benchmarks.measure.estimate import Cost, estimate, this_machine, why_no_rates
from benchmarks.measure.models import find_models
from benchmarks.runs.on_disk import load_runs
from data.paths import results_directories
from data.records import build
from data.suites.prompts import load_suite

START_S = 5.0
"""Of each model: a worker is started, reads the file and warms up, and the run writes down what it found."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What somebody is about to start."""

    models: tuple[str, ...]
    suites: tuple[str, ...]
    limit: int
    condition: str

    def values(self, name: str, engine: str) -> dict[str, Any]:
        """As a configuration of `benchmarks.run` has it."""
        lists = {"models": list(self.models), "suites": list(self.suites), "conditions": [self.condition]}
        return {"name": name, **lists, "engine": engine, "limit": self.limit}


class Estimates:
    """Costs by plan and model, kept as long as the process."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._known: dict[Plan, Cost | str] = {}
        self._wanted: list[Plan] = []
        self._works = False

    def of(self, plan: Plan) -> list[Cost | str] | None:
        """A cost for each model, or in one line why there is none; None while it is worked out."""
        single = [replace(plan, models=(model,)) for model in plan.models]
        with self._lock:
            self._wanted = [each for each in single if each not in self._known]
            if not self._wanted:
                return [self._known[each] for each in single]
            if not self._works:
                self._works = True
                threading.Thread(target=self._work, name="estimate", daemon=True).start()
        return None

    def _work(self) -> None:
        """Until nothing is wanted any more: the last plan that was asked for counts."""
        while True:
            with self._lock:
                if not self._wanted:
                    self._works = False
                    return
                plan = self._wanted[0]
            cost = self._cost(plan)
            with self._lock:
                self._known[plan] = cost
                self._wanted = [each for each in self._wanted if each != plan]

    def _cost(self, plan: Plan) -> Cost | str:
        try:
            config = build(Config, plan.values("estimate", self._engine), ConfigError)
            suites = [load_suite(name) for name in config.suites]
            earlier = load_runs(results_directories()).runs
            models = find_models(config, lambda text: None)
            (cost,) = estimate(config, suites, models, earlier, this_machine(config, suites))
            return cost if cost.seconds is not None else models[0].error or why_no_rates(cost)
        except Exception as error:  # the thread is the edge: whatever went wrong is shown beside the button
            return one_line(error)


def told(costs: Sequence[Cost | str]) -> str:
    """The estimate in one sentence, with what it rests on."""
    known = [each for each in costs if isinstance(each, Cost)]
    if not known:
        return f"How long it takes is not known: {costs[0]}."
    seconds = sum((each.seconds or 0.0) + START_S for each in known)
    length = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
    memory = max((each.memory_bytes or 0 for each in known), default=0)
    parts = [
        f"{sum(each.samples for each in known):,} answers",
        f"{sum(each.read for each in known):,} tokens to read and {sum(each.written for each in known):,} to write",
        *([f"{memory / 1e9:.1f} GB of memory"] if memory else []),
    ]
    missing = "".join(f" Not counted: {each}." for each in costs if isinstance(each, str))
    return f"Takes about {length}: {', '.join(parts)}.{missing}"
