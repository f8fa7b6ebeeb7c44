from benchmarks.analysis.claims import NOT_MEASURED, claims
from benchmarks.runs.on_disk import load_runs
from benchmarks.statistics.pairs import compare_pair
from data.paths import ROOT

COMMITTED = ROOT / "benchmarks" / "results"


def test_the_evidence_is_worked_out_from_the_committed_runs() -> None:
    runs = load_runs([COMMITTED]).runs
    pair = "smollm2-135m-r8", "smollm2-small-r8"
    measured = [run for run in runs if set(pair) <= set(run.by_model)]
    expected = [f"{100 * compare_pair(run, *pair).difference:+.1f} points" for run in measured]
    found = {each.claim: each.evidence for each in claims(runs)}
    size = next(iter(found.values()))
    assert "full·r8 against small·r8" in size and any(figure in size for figure in expected)
    assert all("[" in evidence or evidence.startswith("Not ") for evidence in found.values())


def test_without_a_square_of_models_nothing_is_claimed() -> None:
    assert {each.evidence for each in claims([])} == {NOT_MEASURED}
