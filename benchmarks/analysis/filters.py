"""Which part of the runs is looked at: prompts, models, and where speeds come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

from benchmarks.analysis.figures import machines
from benchmarks.runs.read import Row, Run


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to keep; empty keeps all. Timings of fixed shapes belong to no suite, and stay.

    Attributes:
        machine: Where speeds come from (`analysis.figures.gather`), None the newest run's; it leaves no row out.
    """

    suites: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    quantizations: tuple[str, ...] = ()
    ranks: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    machine: str | None = None

    @property
    def any(self) -> bool:
        return any(getattr(self, field.name) for field in fields(self))


_FACTS = {"quantizations": "quantization", "ranks": "rank", "sizes": "size"}


def options(runs: Iterable[Run]) -> dict[str, list[str]]:
    """What each field of a `Filters` can be, given these runs; machines newest first, the rest by name."""
    runs = list(runs)
    found: dict[str, set[str]] = {field.name: set() for field in fields(Filters)}
    for run in runs:
        for row in run.rows:
            if row.is_answer:
                found["suites"].add(row.suite)
                found["kinds"].add(row.kind)
        for facts in run.models.values():
            for name, key in _FACTS.items():
                found[name].add(_fact(facts, key))
    return {name: sorted(values) for name, values in found.items()} | {"machine": machines(runs)}


def narrowed(runs: Sequence[Run], choice: Filters) -> list[Run]:
    """The runs with only the rows that were chosen; those without any are left out."""
    if not choice.any:
        return list(runs)
    kept = []
    for run in runs:
        models = {model for model in run.by_model if _wanted(run.models.get(model, {}), choice)}
        rows = tuple(row for row in run.rows if row.model in models and _asked(row, choice))
        if rows:
            kept.append(replace(run, rows=rows))
    return kept


def on_the_prompts_of(runs: Sequence[Run], *models: str) -> list[Run]:
    """The runs with only the answers to prompts that were graded for each of these models, and everything timed.

    So a model that was asked a few prompts can be drawn beside those that were asked many. Where there are no such
    prompts, the runs as they are.
    """
    asked = set.intersection(*(_graded(runs, model) for model in models))
    if not asked:
        return list(runs)
    return [
        replace(run, rows=rows)
        for run in runs
        if (rows := tuple(row for row in run.rows if not row.is_answer or (row.suite, row.prompt_id) in asked))
    ]


def _graded(runs: Sequence[Run], model: str) -> set[tuple[str, str]]:
    """Prompts of the one run and condition in which most of the model's answers were graded: shares come from one."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for run in runs:
        for row in run.by_model.get(model, ()):
            if row.is_answer and row.grade is not None:
                found.setdefault((run.id, row.condition), set()).add((row.suite, row.prompt_id))
    return max(found.values(), key=len, default=set())


def _asked(row: Row, choice: Filters) -> bool:
    if not row.is_answer:
        return True
    return (not choice.suites or row.suite in choice.suites) and (not choice.kinds or row.kind in choice.kinds)


def _wanted(facts: Mapping[str, object], choice: Filters) -> bool:
    return all(not (wanted := getattr(choice, name)) or _fact(facts, key) in wanted for name, key in _FACTS.items())


def _fact(facts: Mapping[str, object], key: str) -> str:
    value = facts.get(key)
    return "none" if value is None else str(value)
