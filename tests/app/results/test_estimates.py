import time
from pathlib import Path

import pytest

from app.results.estimates import Estimates, Plan, told
from benchmarks.measure.estimate import Cost, Rates
from tests.app.results.test_jobs import script

RATES = Rates(prefill=100.0, decode=10.0, batched=None, source="measured just now, briefly")


def cost(model: str, *, written: int = 3000) -> Cost:
    return Cost(
        model=model,
        condition="timed-cold",
        samples=16,
        read=1000,
        written=written,
        written_from="the limits (16)",
        rates=RATES,
        memory_bytes=2 * 10**9,
    )


def wait(estimates: Estimates, plan: Plan) -> list[Cost | str]:
    deadline = time.monotonic() + 60
    while (found := estimates.of(plan)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.fixture
def no_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path / "results"))


def test_a_model_that_was_never_timed_is_timed_in_the_background_and_only_once(tmp_path: Path, no_runs: None) -> None:
    model = script(tmp_path, "a", reply="word " * 600, prefill_tok_per_s=1000, decode_tok_per_s=50)
    plan = Plan(models=(model,), suites=("report",), limit=2, condition="timed-cold")
    estimates = Estimates("scripted")
    assert estimates.of(plan) is None
    (found,) = wait(estimates, plan)
    assert isinstance(found, Cost) and found.samples == 2 and found.rates and found.rates.decode == pytest.approx(50)
    assert estimates.of(plan) == [found]


def test_a_model_that_is_not_known_is_one_line_and_the_others_are_counted(tmp_path: Path, no_runs: None) -> None:
    plan = Plan(models=("/no/such.json",), suites=("report",), limit=2, condition="timed-cold")
    (found,) = wait(Estimates("scripted"), plan)
    assert isinstance(found, str) and "\n" not in found
    assert told([found]).startswith("How long it takes is not known: ")
    assert told([cost("a"), found]).endswith(f"Not counted: {found}.")


def test_the_sentence_adds_up_times_and_has_the_largest_memory() -> None:
    assert told([cost("a"), cost("b")]) == (
        "Takes about 10 min: 32 answers, 2,000 tokens to read and 6,000 to write, 2.0 GB of memory."
    )
    assert told([cost("a", written=500)]).startswith("Takes about 65 s: ")
