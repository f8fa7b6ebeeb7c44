"""What lies beside the app, damaged: shares, parity, metrics, records of runs, added models."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from app import runtime
from app.chat.shares import ShareError, Shares
from app.library.facts import TRAINING_RESULTS, parity_rows, training_curve
from app.results.jobs import BenchmarkJobs
from data.errors import ModelError
from data.paths import ROOT, added_models_path
from tests.mutations import mutations

REPLY = {"label": "A", "text": "hi", "error": None, "statistics": "3 tok/s"}
SHARED = {"turns": [{"prompt": "hello", "system": None, "replies": [REPLY, REPLY]}]}


def test_any_change_of_a_share_is_shown_or_said_in_one_line(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    receipt = shares.store(SHARED)
    path = tmp_path / f"{receipt.id}.json"
    for change, content in mutations(json.loads(path.read_text()), most=400):
        path.write_text(json.dumps(content))
        try:
            shared = shares.load(receipt.id)
        except ShareError as error:
            assert "\n" not in str(error) and str(tmp_path) not in str(error), change
            continue
        assert shared["created_at"][:10] is not None
        for turn in shared["turns"]:  # what the page does with it
            texts = [turn.get("system") or "", turn["prompt"]]
            for reply in turn["replies"]:
                texts += [reply["label"], reply.get("text") or reply.get("error") or "", reply["statistics"]]
            assert all(isinstance(text, str) for text in texts), change


def test_the_operator_can_delete_a_damaged_share(tmp_path: Path) -> None:
    shares = Shares(tmp_path)
    receipt = shares.store(SHARED)
    path = tmp_path / f"{receipt.id}.json"
    path.write_text("{")
    with pytest.raises(ShareError, match="damaged"):
        shares.delete(receipt.id, receipt.key)
    shares.delete(receipt.id, "", operator=True)
    assert not path.exists()


def test_any_change_of_metrics_or_parity_leaves_numbers_and_texts(tmp_path: Path) -> None:
    (training, *_) = sorted(path.parent.name for path in TRAINING_RESULTS.glob("*/metrics.jsonl"))
    shutil.copytree(TRAINING_RESULTS / training, tmp_path / training)
    metrics, parity = tmp_path / training / "metrics.jsonl", tmp_path / training / "parity.json"
    first, *rest = metrics.read_text().splitlines()
    for change, reading in mutations(json.loads(first), most=300):
        metrics.write_text("\n".join([json.dumps(reading), *rest]))
        for row in training_curve(training, tmp_path):
            assert isinstance(row["step"], int | float) and isinstance(row["loss"], int | float), change
    checks = {"extra": {"checks": [{"name": "n", "file": "f", "value": 0.1, "limit": "at most 0.5", "passed": True}]}}
    for change, content in mutations(checks, most=400):
        parity.write_text(json.dumps(content))
        for found in parity_rows(training, (tmp_path,)):
            assert isinstance(found["Limit"], str | None), change
            assert all(isinstance(found[key], str) for key in ("Check", "File", "Value", "")), change


def test_any_change_of_a_runs_record_is_a_run_that_is_not_there_any_more(tmp_path: Path) -> None:
    jobs = BenchmarkJobs(tmp_path / "jobs", tmp_path / "out", "scripted")
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "page-1.toml").write_text('name = "page-1"\n')
    run = tmp_path / "out" / "page-1-x"
    run.mkdir(parents=True)
    (run / "run.json").write_text('{"schema_version": "1.0", "config": {"name": "page-1"}}')
    record: dict[str, Any] = {"pid": 2**22 + 5, "born": 7, "started_at": 1.5, "done_at_start": 3}
    for change, content in mutations(record, most=300):
        (tmp_path / "jobs" / "page-1.json").write_text(json.dumps(content))
        (job,) = jobs.jobs()
        assert not job.running, change
    (run / "run.json").write_text("[" * 100_000)
    (job,) = jobs.jobs()
    assert not job.finished


def test_a_broken_list_of_added_models_costs_these_alone_and_is_not_written_over(
    scripted_app: Callable[..., None],
) -> None:
    added_models_path().parent.mkdir(parents=True, exist_ok=True)
    added_models_path().write_text("[[model]\n")
    page = AppTest.from_file(ROOT / "app" / "app_pages" / "models.py", default_timeout=30).run()
    assert not page.exception
    assert set(runtime.registry()) == {"alpha", "beta"}
    assert "not TOML" in (runtime.registry_problem() or "")
    with pytest.raises(ModelError, match="mend the file or move it away"):
        runtime.change_registry(removed="alpha")
    assert added_models_path().read_text() == "[[model]\n"
