import contextlib

from benchmarks.analysis.claims import NOT_MEASURED, claims
from benchmarks.runs.on_disk import load_runs
from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.factorial import cells_of, parameters_of
from benchmarks.statistics.pairs import compare_pair
from data.paths import ROOT
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

SIZE = "The larger model is better; its gain in quality justifies its latency."
RANK = "Rank 16 learns more than rank 8."


def figures(run: Run, a: str, b: str) -> str:
    """What a reader must find: the paired difference, its interval and the number of prompts."""
    found = compare_pair(run, a, b)
    return f"{100 * found.difference:+.1f} points [{100 * found.low:+.1f}, {100 * found.high:+.1f}], n={found.n}"


def squares(runs: list[Run]) -> list[Run]:
    found = []
    for run in runs:
        with contextlib.suppress(RunError):
            cells_of(run)
            found.append(run)
    return found


def test_the_evidence_is_worked_out_from_the_committed_run_of_the_largest_models() -> None:
    runs = load_runs([ROOT / "benchmarks" / "results"]).runs
    run = max(squares(runs), key=lambda run: max(parameters_of(size) for size, _ in cells_of(run)))
    found = {each.claim: each.evidence for each in claims(runs)}
    square = cells_of(run)
    small, large = sorted({size for size, _ in square}, key=parameters_of)
    for rank in (8, 16):
        assert figures(run, square[large, rank], square[small, rank]) in found[SIZE]
    for size in (small, large):
        assert figures(run, square[size, 16], square[size, 8]) in found[RANK]


def test_a_small_family_with_more_answers_does_not_speak_for_the_larger_one() -> None:
    def family(size: str, count: int) -> Run:
        names = [f"{each}-r{rank}" for each in ("1M", size) for rank in (8, 16)]
        run = made_run(*(graded_rows(name, "10" * count) for name in names))
        for name in names:
            run.models[name].update(size=name.split("-")[0], rank=int(name.split("-r")[1]), label=name)
        return run

    found = {each.claim: each.evidence for each in claims([family("2M", 30), family("3B", 8)])}
    assert "3B-r8 against 1M-r8" in found[SIZE] and "2M" not in found[SIZE]


def test_speed_may_come_from_files_made_alike_and_names_them() -> None:
    made = {f"{size}-r{rank}": {"size": size, "rank": rank, "base": size} for size in ("1B", "3B") for rank in (8, 16)}
    square = made_run(*(graded_rows(name, "10" * 20) for name in made), run_id="square", facts=made)
    timed = made_run(
        timed_rows("small", [20.0] * 8),
        timed_rows("large", [10.0] * 8),
        run_id="timed",
        facts={"small": {**made["1B-r8"], "label": "small"}, "large": {**made["3B-r16"], "label": "large"}},
    )
    assert "small decodes 2.00× as fast as large [2.00, 2.00]." in {each.evidence for each in claims([square, timed])}
    assert "Not measured: no run has timed both on one machine." in {each.evidence for each in claims([square])}


def test_a_claim_says_better_only_where_the_interval_is_above_zero() -> None:
    grades = {"large8": "1" * 40, "small8": "0" * 40, "large16": "10" * 20, "small16": "01" * 20}
    run = made_run(*(graded_rows(model, row) for model, row in grades.items()))
    for model in grades:
        run.models[model].update(
            size="3B" if "large" in model else "1B", rank=int(model.lstrip("largesm")), label=model
        )
    found = {each.claim: each.evidence for each in claims([run])}
    assert "large8 against small8: better (+100.0 points" in found[SIZE]
    assert "large16 against small16: no difference is shown (+0.0 points" in found[SIZE]
    assert "small16 against small8: better (+50.0 points" in found[RANK]
    assert "large16 against large8: worse (-50.0 points" in found[RANK]


def test_without_a_square_of_models_nothing_is_claimed() -> None:
    assert {each.evidence for each in claims([])} == {NOT_MEASURED}
