"""Who of two is right more often within which budget, in words."""

from collections.abc import Sequence

from benchmarks.analysis.within import BUDGETS, SECONDS, TOKENS, Answers, Stretch, all_answers, figures_of, stretches
from benchmarks.runs.read import Run, RunError


def within_lines(run: Run, base: str, timed: Sequence[Run]) -> list[str]:
    """Every other model of a run against `base`, one line each; rates may also come from other runs."""
    answers, problems = all_answers(figures_of(run, timed))
    lines = [f"not placed in time: {problem}" for problem in problems]
    against = next((each for each in answers if each.model == base), None)
    if answers and against is None:
        lines.append(f"nobody is compared in time with {base}, which has no answers with a time")
    for each in answers:
        if against and each is not against:
            try:
                lines.append(pair_text(each, against))
            except RunError as error:
                lines.append(f"not placed in time: {error}")
    return lines


def pair_text(a: Answers, b: Answers, unit: str = SECONDS) -> str:
    """Which of two to ship for the time that one has, in one sentence.

    Raises:
        RunError: As `stretches`.
    """
    found = stretches(a, b, unit)
    if not found:
        return f"{a.label} and {b.label}: their token limits cut too many answers to say who is right within a time."
    labels = {a.model: a.label, b.model: b.label}
    parts = [
        f"{_where(each, found, unit)} {labels[each.better]} is right more often, by {100 * each.difference:.0f} points "
        f"within {_amount(each.at, unit)}"
        for each in found
        if each.better
    ]
    span = f"from {_amount(found[0].first, unit)} to {_amount(found[-1].last, unit)}"
    text = "; ".join([*parts, "elsewhere they cannot be told apart"][: len(parts) + (len(parts) < len(found))])
    if not parts:
        text = f"{span} {a.label} and {b.label} cannot be told apart"
    if found[-1].last < BUDGETS[unit][-1]:
        text += f"; past {_amount(found[-1].last, unit)} the answers' token limits would decide"
    return f"{text[0].upper()}{text[1:]}" + (f" (on {a.machine})." if unit == SECONDS else ".")


def _where(each: Stretch, found: Sequence[Stretch], unit: str) -> str:
    """In words; the first and the last stretch go on beyond the budgets that were looked at."""
    ended = found[-1].last < BUDGETS[unit][-1]
    if len(found) == 1 and not ended:
        return "whatever the budget,"
    if each is found[-1] and not ended:
        return f"from {_amount(each.first, unit)} on"
    if each is found[0]:
        return f"up to {_amount(each.last, unit)}"
    return f"from {_amount(each.first, unit)} to {_amount(each.last, unit)}"


def _amount(budget: float, unit: str) -> str:
    return f"{budget:.2g} s" if unit == SECONDS and budget < 100 else f"{budget:.0f} {_SHORT[unit]}"


_SHORT = {SECONDS: "s", TOKENS: "tokens"}
