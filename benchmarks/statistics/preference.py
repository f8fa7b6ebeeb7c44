"""Which of two answers a judge prefers: asked in both orders, with ties, counted with an interval and a sign test.

Where the judge prefers another answer when the order changes, the pair is a tie, and the share of pairs on which it
kept its mind is reported: a judge that decides by position shows there. A reply that names no answer is ungradable,
never a tie.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from benchmarks.runs.read import Row, Run, RunError
from benchmarks.statistics.clusters import cluster_of, clustered_mean
from benchmarks.statistics.stats import Interval, mcnemar_exact, points_text

Choice = Literal["a", "b", "tie"]
Ask = Callable[[str], str | None]
"""The judge: a prompt in, its reply out; None where it failed."""

_CHOSEN = re.compile(
    r"\b(?:answer|response)?\s*\b(1|2|one|two|first|second)\b|\b(tie|equal|neither|both)\b", re.IGNORECASE
)
_PROMPT = """You compare two answers to one question. Which is better: more correct, closer to what was asked? \
Length does not matter.

Question:
{question}

Answer 1:
{first}

Answer 2:
{second}

Reply with one word only: 1, 2 or tie."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One prompt.

    Attributes:
        choice: None where a reply named no answer.
        consistent: The judge chose the same answer in both orders; None where it was ungradable.
        longer: Which answer is longer; None where they are equally long.
        replies: What the judge said: with A first, with B first.
    """

    suite: str
    prompt_id: str
    choice: Choice | None
    consistent: bool | None
    longer: Literal["a", "b"] | None
    replies: tuple[str | None, str | None]


@dataclass(frozen=True, kw_only=True)
class JudgeReport:
    """All of them.

    Attributes:
        preference: Wins of A less wins of B over the judged pairs, ties as 0, with a clustered 95% interval.
        p_value: Exact sign test on the decided pairs.
        consistency: Share of judged pairs on which both orders agree.
        longer_won: Share of decided pairs of unequal length whose longer answer won; far from a half is a bias.
    """

    a: str
    b: str
    judge: str
    wins_a: int
    wins_b: int
    ties: int
    ungradable: int
    preference: Interval | None
    p_value: float | None
    consistency: float | None
    longer_won: float | None
    judgements: tuple[Judgement, ...]


def judge_pair(question: str, a: Row, b: Row, ask: Ask) -> Judgement:
    """Ask in both orders and keep what both agree on."""
    one, other = a.answer or "", b.answer or ""
    replies = (
        ask(_PROMPT.format(question=question, first=one, second=other)),
        ask(_PROMPT.format(question=question, first=other, second=one)),
    )
    forward, backward = read_choice(replies[0]), _swapped(read_choice(replies[1]))
    known = forward is not None and backward is not None
    return Judgement(
        suite=a.suite,
        prompt_id=a.prompt_id,
        choice=(forward if forward == backward else "tie") if known else None,
        consistent=forward == backward if known else None,
        longer=None if len(one) == len(other) else "a" if len(one) > len(other) else "b",
        replies=replies,
    )


def read_choice(reply: str | None) -> Choice | None:
    """What a reply names: "1", "Answer 2", "tie". None where it names nothing, or both answers."""
    found = {_meaning(match) for match in _CHOSEN.finditer(reply or "")}
    return found.pop() if len(found) == 1 else None


def _meaning(match: re.Match[str]) -> Choice:
    if match[2]:
        return "tie"
    return "a" if match[1].casefold() in ("1", "one", "first") else "b"


def _swapped(choice: Choice | None) -> Choice | None:
    return {"a": "b", "b": "a", "tie": "tie"}.get(choice or "")  # type: ignore[return-value]


def judge_run(
    run: Run, a: str, b: str, questions: dict[tuple[str, str], str], ask: Ask, *, judge: str, limit: int = 0
) -> JudgeReport:
    """Judge the prompts that both models answered and whose question is given.

    Raises:
        RunError: A model is not in the run, or they share no answered prompt.
    """
    pairs = answered_pairs(run, a, b, questions)
    kept = pairs[:limit] if limit else pairs
    judgements = [judge_pair(questions[one.suite, one.prompt_id], one, other, ask) for one, other in kept]
    return _summed(a, b, judge, judgements, [one for one, _ in kept])


def answered_pairs(run: Run, a: str, b: str, questions: Iterable[tuple[str, str]]) -> list[tuple[Row, Row]]:
    """The first answers of both models to each question, graded or not; of the condition that has most of them.

    Raises:
        RunError: As `judge_run`.
    """
    wanted = set(questions)
    by_condition: dict[str, tuple[dict[tuple[str, str], Row], dict[tuple[str, str], Row]]] = {}
    for side, model in enumerate((a, b)):
        if model not in run.by_model:
            raise RunError(f"{run.id} has no model {model!r}; it has {', '.join(run.by_model) or 'no rows yet'}")
        for row in run.by_model[model]:
            key = (row.suite, row.prompt_id)
            if key in wanted and row.repetition == 0 and row.answer is not None and row.error is None:
                by_condition.setdefault(row.condition, ({}, {}))[side][key] = row
    shared = [[(left[key], right[key]) for key in left if key in right] for left, right in by_condition.values()]
    pairs = max(shared, key=len, default=[])
    if not pairs:
        raise RunError(f"{run.id}: {a} and {b} have answered no prompt in common of these suites")
    return pairs


def _summed(a: str, b: str, judge: str, judgements: Sequence[Judgement], rows: Sequence[Row]) -> JudgeReport:
    judged = [(each, cluster_of(row)) for each, row in zip(judgements, rows, strict=True) if each.choice]
    values = np.array([{"a": 1.0, "b": -1.0, "tie": 0.0}[each.choice or "tie"] for each, _ in judged])
    clusters = [cluster for _, cluster in judged]
    rng = np.random.default_rng(zlib.crc32(f"{a} {b} {len(judged)}".encode()))
    wins_a, wins_b = int((values > 0).sum()), int((values < 0).sum())
    decided = [each for each, _ in judged if each.choice in ("a", "b") and each.longer]
    return JudgeReport(
        a=a,
        b=b,
        judge=judge,
        wins_a=wins_a,
        wins_b=wins_b,
        ties=len(judged) - wins_a - wins_b,
        ungradable=len(judgements) - len(judged),
        preference=clustered_mean(values, clusters, rng=rng) if len(set(clusters)) > 1 else None,
        p_value=mcnemar_exact(wins_b, wins_a) if judged else None,
        consistency=sum(each.consistent is True for each, _ in judged) / len(judged) if judged else None,
        longer_won=sum(each.choice == each.longer for each in decided) / len(decided) if decided else None,
        judgements=tuple(judgements),
    )


def report_text(found: JudgeReport) -> str:
    """What the judge found, in a few lines."""
    lines = [
        f"{found.judge} on {found.a} against {found.b}: {found.wins_a} won, {found.wins_b} lost, {found.ties} ties, "
        f"{found.ungradable} ungradable"
    ]
    if found.preference and found.p_value is not None:
        lines.append(f"preference {points_text(found.preference, ' points')}, p={found.p_value:.2g}")
    if found.consistency is not None:
        lines.append(f"kept its mind when the order changed: {found.consistency:.0%}")
    if found.longer_won is not None:
        lines.append(f"the longer answer won: {found.longer_won:.0%} of the decided pairs")
    if not found.preference:
        lines.append("too few judged pairs for an interval; nothing follows")
    return "\n".join(lines)
