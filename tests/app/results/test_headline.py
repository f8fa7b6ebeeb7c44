import shutil
import time
from pathlib import Path

import pytest

from app.results.headline import Headline
from data.models.registry import project_registry
from data.paths import ROOT

COMMITTED = ROOT / "benchmarks" / "results"


def test_the_first_visitor_reads_what_was_measured_of_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(COMMITTED))
    registry = project_registry()
    headline = Headline(("smollm2-135m", "smollm2-135m-r16"), registry)
    headline.work()
    measured = headline.look()
    assert measured.sentence is not None and "points" in measured.sentence
    assert "SmolLM2 135M · LoRA r16 · Q8_0" in measured.sentence
    spot = measured.of(registry["smollm2-135m-r16"])
    assert spot is not None and spot.speed.estimate > 10 and 0 < spot.share.estimate < 1
    assert (measured.figures(registry["smollm2-135m-r16"]) or "").endswith("% right")
    assert measured.figures(registry["llama-3.2-3b-instruct"]) is None
    assert measured.prompts > 100 and measured.machine and measured.of(registry["qwen2.5-coder-1.5b"]) is None


def test_a_pair_that_no_run_has_measured_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path))
    headline = Headline(("alpha", "beta"), {})
    headline.work()
    assert headline.look().sentence is None and headline.look().spots == () and headline.finished.is_set()


def test_a_run_that_has_come_is_worked_in_without_anybody_waiting(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path))
    headline = Headline(("alpha", "beta"), {})
    headline.work()
    shutil.copytree(next(COMMITTED.glob("smoke-*")), tmp_path / "new")
    assert headline.look().spots == ()
    deadline = time.monotonic() + 30
    while not headline.look().spots:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert len(headline.look().spots) == 2
