"""The prompts that only one of two models answered correctly."""

from dataclasses import dataclass

from benchmarks.runs.read import Row, Run
from benchmarks.statistics.pairs import shared_condition, slice_of


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A prompt that only one of two models answered correctly."""

    suite: str
    kind: str
    prompt_id: str
    repetition: int
    answer_a: str | None
    answer_b: str | None
    grade_a: float
    grade_b: float
    reason_a: str | None
    reason_b: str | None


def flip_table(run: Run, a: str, b: str, *, suite: str | None = None, condition: str | None = None) -> list[Flip]:
    """The prompts that only one of two models answered correctly, in the order in which `a` was asked.

    Raises:
        RunError: As `compare_pair`.
    """
    condition = condition or shared_condition(run, a, b, suite=suite)
    sides = [
        {
            (row.suite, row.prompt_id, row.repetition): row
            for row in slice_of(run, model, condition, suite=suite)
            if row.grade is not None and row.error is None
        }
        for model in (a, b)
    ]
    pairs = [(sides[0][key], sides[1][key]) for key in sides[0] if key in sides[1]]
    return [_flip(left, right) for left, right in pairs if left.right != right.right]


def _flip(left: Row, right: Row) -> Flip:
    return Flip(
        suite=left.suite,
        kind=left.kind,
        prompt_id=left.prompt_id,
        repetition=left.repetition,
        answer_a=left.answer,
        answer_b=right.answer,
        grade_a=left.grade or 0.0,
        grade_b=right.grade or 0.0,
        reason_a=left.grade_reason,
        reason_b=right.grade_reason,
    )
