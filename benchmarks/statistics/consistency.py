"""Whether a model says the same again: in a batch as alone, and at a temperature from one repetition to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.runs.read import Row, Run
from benchmarks.statistics.stats import Interval, wilson


@dataclass(frozen=True, kw_only=True)
class BatchEffect:
    """Greedy answers of one model that are other in a batch than alone: the sums of floating-point numbers differ.

    Attributes:
        n: Prompts answered both ways.
        differ: Share whose text differs, with its Wilson interval.
        grades_differ: Share whose grade differs, too.
    """

    model: str
    n: int
    differ: Interval
    grades_differ: Interval


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """How often one model's repetitions of a prompt agree.

    Attributes:
        n: Prompts with at least 2 graded repetitions.
        same_grade, same_answer: Share of them whose repetitions all agree, with Wilson intervals.
    """

    model: str
    condition: str
    n: int
    same_grade: Interval
    same_answer: Interval


def batch_effects(run: Run) -> list[BatchEffect]:
    """One for each model with prompts answered both "batched" and "timed-cold"; none of a run at a temperature."""
    if float(run.manifest.get("config", {}).get("temperature", 0) or 0) > 0:
        return []
    found = []
    for model, rows in run.by_model.items():
        alone, batched = (_answers(rows, condition) for condition in ("timed-cold", "batched"))
        pairs = [(alone[key], batched[key]) for key in batched if key in alone]
        if pairs:
            found.append(
                BatchEffect(
                    model=model,
                    n=len(pairs),
                    differ=wilson(sum(one.answer != other.answer for one, other in pairs), len(pairs)),
                    grades_differ=wilson(sum(one.grade != other.grade for one, other in pairs), len(pairs)),
                )
            )
    return found


def consistencies(run: Run) -> list[Consistency]:
    """One for each model and condition with repeated prompts."""
    found = []
    for model, rows in run.by_model.items():
        for condition in dict.fromkeys(row.condition for row in rows):
            groups: dict[tuple[str, str], list[Row]] = {}
            for row in _answers(rows, condition).values():
                groups.setdefault((row.suite, row.prompt_id), []).append(row)
            repeated = [group for group in groups.values() if len(group) > 1]
            if repeated:
                found.append(_consistency(model, condition, repeated))
    return found


def _consistency(model: str, condition: str, groups: Sequence[Sequence[Row]]) -> Consistency:
    same_grade = sum(len({row.grade for row in group}) == 1 for group in groups)
    same_answer = sum(len({row.answer for row in group}) == 1 for group in groups)
    return Consistency(
        model=model,
        condition=condition,
        n=len(groups),
        same_grade=wilson(same_grade, len(groups)),
        same_answer=wilson(same_answer, len(groups)),
    )


def _answers(rows: Sequence[Row], condition: str) -> dict[tuple[str, str, int], Row]:
    return {
        (row.suite, row.prompt_id, row.repetition): row
        for row in rows
        if row.condition == condition and row.is_answer and row.error is None
    }


def batch_effect_text(effects: Sequence[BatchEffect]) -> str:
    """One line for people."""
    parts = [f"{each.model} {each.differ.estimate:.0%} of {each.n}" for each in effects]
    return "answers that differ between batched and alone: " + ", ".join(parts)
