from pathlib import Path

import pytest

from app.results.headline import Headline
from data.paths import ROOT

COMMITTED = ROOT / "benchmarks" / "results"


def test_the_first_visitor_reads_what_was_measured_of_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(COMMITTED))
    headline = Headline(("smollm2-135m", "smollm2-135m-r16"))
    headline.work()
    assert headline.sentence is not None and "full·r16" in headline.sentence and "points" in headline.sentence


def test_a_pair_that_no_run_has_measured_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path))
    headline = Headline(("alpha", "beta"))
    headline.work()
    assert headline.sentence is None and headline.finished.is_set()
