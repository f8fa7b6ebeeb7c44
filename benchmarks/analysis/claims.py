"""The course report's claims, and what the runs on disk say to each: no figure is written here."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from benchmarks.analysis.speed_ratio import speed_ratio
from benchmarks.runs.read import AGAIN, Run, RunError
from benchmarks.statistics.factorial import cells_of, parameters_of
from benchmarks.statistics.pairs import PairComparison, compare_pair, cut_text
from benchmarks.statistics.stats import points_text

Square = Mapping[tuple[str, int], str]
_TOWER = "eiffel-tower"
NOT_MEASURED = "Not measured: no run here has all four models."


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the report says, and what of it can be seen here."""

    claim: str
    evidence: str


def claims(runs: Sequence[Run]) -> list[Claim]:
    """Each claim with evidence from one run with a 2×2 of size and rank: the largest models, most answers, the newest.

    The sizes here are those of the run's own family, not the report's 1B and 3B, and the evidence says so.
    """
    square, run = _square(runs)
    tests: dict[str, Callable[[Run, Square, Sequence[Run]], str]] = {
        "The larger model is better; its gain in quality justifies its latency.": _size,
        "The smaller model is significantly faster, almost instant.": _speed,
        "Rank 16 learns more than rank 8.": _rank,
        "The larger model follows instructions better.": _instructions,
        "The larger model hallucinates less.": _facts,
        "The larger model is more coherent: of two answers on the Paris tower, one is better.": _tower,
    }
    return [
        Claim(claim=claim, evidence=test(run, square, runs) if run is not None else NOT_MEASURED)
        for claim, test in tests.items()
    ]


def _square(runs: Sequence[Run]) -> tuple[Square, Run | None]:
    found: list[tuple[Square, Run]] = []
    for run in runs:
        with contextlib.suppress(RunError):
            found.append((cells_of(run), run))
    return max(found, key=_weight, default=({}, None))


def _weight(found: tuple[Square, Run]) -> tuple[float, int, str]:
    square, run = found
    answers = sum(row.grade is not None for model in square.values() for row in run.by_model[model])
    return max(parameters_of(size) for size, _ in square), answers, str(run.manifest.get("created_at"))


def _corners(square: Square) -> tuple[str, str, list[int]]:
    """Small and large size, by parameters as they are named; and the ranks, low first."""
    sizes = sorted({size for size, _ in square}, key=parameters_of)
    return sizes[0], sizes[-1], sorted({rank for _, rank in square})


def _size(run: Run, square: Square, runs: Sequence[Run]) -> str:
    small, large, ranks = _corners(square)
    return _each(run, [(square[large, rank], square[small, rank]) for rank in ranks])


def _rank(run: Run, square: Square, runs: Sequence[Run]) -> str:
    small, large, ranks = _corners(square)
    return _each(run, [(square[size, ranks[-1]], square[size, ranks[0]]) for size in (small, large)])


def _instructions(run: Run, square: Square, runs: Sequence[Run]) -> str:
    return _kinds(run, square, ("instructions", "json"))


def _facts(run: Run, square: Square, runs: Sequence[Run]) -> str:
    return _kinds(run, square, ("facts",))


def _kinds(run: Run, square: Square, names: Sequence[str]) -> str:
    kinds = sorted({row.kind for row in run.rows} & set(names))
    if not kinds:
        return "Not measured: the run has no prompts of that kind."
    small, large, ranks = _corners(square)
    found = _each(run, [(square[large, ranks[-1]], square[small, ranks[-1]])], kinds=kinds)
    return f"On prompts of the kinds {', '.join(kinds)}: {found}"


def _speed(run: Run, square: Square, runs: Sequence[Run]) -> str:
    small, large, ranks = _corners(square)
    a, b = square[small, ranks[0]], square[large, ranks[-1]]  # the two that the report compares
    for (digest_a, label_a), (digest_b, label_b) in product(
        *(_made_alike(run, model, runs).items() for model in (a, b))
    ):
        if found := speed_ratio(runs, digest_a, digest_b):
            ratio = found.ratio
            figures = f"{ratio.estimate:.2f}× as fast as {label_b} [{ratio.low:.2f}, {ratio.high:.2f}]"
            return f"{label_a} decodes {figures}."
    return "Not measured: no run has timed both on one machine."


def _made_alike(run: Run, model: str, runs: Sequence[Run]) -> dict[str, str]:
    """Files and names of models of the same base, rank and quantization, itself first: they differ in weights alone."""
    of = ("base", "size", "rank", "quantization")
    wanted = [run.models[model].get(name) for name in of]
    found = {run.by_model[model][0].model_sha256: run.label(model)}
    for each in runs:
        for other, rows in each.by_model.items():
            if not other.endswith(AGAIN) and [each.models.get(other, {}).get(name) for name in of] == wanted:
                found.setdefault(rows[0].model_sha256, each.label(other))
    return found


def _tower(run: Run, square: Square, runs: Sequence[Run]) -> str:
    """Which of the square's models answer the report's second prompt rightly."""
    digests = {run.by_model[model][0].model_sha256: run.label(model) for model in square.values()}
    asked = [row for each in runs for row in each.rows if row.prompt_id == _TOWER and row.grade is not None]
    answers = {row.model_sha256: row for row in asked if row.model_sha256 in digests}
    if not answers:
        return "Not measured: no run asks these models the report's second prompt."
    right = [digests[digest] for digest, row in answers.items() if row.right]
    return f"Not decided by one prompt; the graders call right: {', '.join(right) or 'none'}, of {len(answers)} models."


def _each(run: Run, pairs: Sequence[tuple[str, str]], *, kinds: Sequence[str] = ()) -> str:
    sentences = []
    for a, b in pairs:
        try:
            sentences.append(_sentence(run, compare_pair(run, a, b, kinds=kinds)))
        except RunError as error:
            sentences.append(f"Not measured: {error}.")
    return " ".join(sentences)


def _sentence(run: Run, found: PairComparison) -> str:
    a, b = run.label(found.a), run.label(found.b)
    figures = f"{points_text(found.interval, ' points')}, n={found.n}"
    if found.differs and found.cut_decides:
        return f"{a} against {b}: not decided ({figures}; {cut_text(found, a, b)})."
    word = "no difference is shown" if not found.separable else "better" if found.difference > 0 else "worse"
    return f"{a} against {b}: {word} ({figures})."
