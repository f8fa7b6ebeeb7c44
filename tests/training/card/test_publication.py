"""A run is ready to be published only where the parity gate passed exactly the files that lie there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from data.manifest import read_manifest, write_manifest
from tests.training.published_runs import CARD, CHECK, finished_run, manifest
from training.card.publication import publication_of, without_local_paths
from training.config import TrainingError
from training.run_directory import RunDirectory, read_metrics, read_record, write_record


@pytest.fixture
def run(cache: Path, tmp_path: Path) -> RunDirectory:
    return finished_run(tmp_path / "runs")


def refusal(run: RunDirectory, *kinds: str) -> str:
    with pytest.raises(TrainingError) as caught:
        publication_of(run.path, kinds=kinds)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_that_was_exported_is_taken(run: RunDirectory) -> None:
    publication = publication_of(run.path)
    assert [file.kind for file in publication.files] == ["adapter", "f16", "q4_k_m"]
    assert [file.kind for file in publication.models] == ["f16", "q4_k_m"]
    assert publication.has_adapter
    assert publication.data_card == CARD


def test_a_choice_narrows_files_and_manifest(run: RunDirectory) -> None:
    publication = publication_of(run.path, kinds=["q4_k_m"])
    assert list(publication.manifest.files) == ["tiny-r8.q4_k_m.gguf"]
    assert not publication.has_adapter
    assert "--files has 'q8_0', which was not exported; there are adapter, f16, q4_k_m" in refusal(run, "f16", "q8_0")


def test_a_run_that_was_not_exported_or_verified_says_how(run: RunDirectory) -> None:
    run.parity.unlink()
    assert f"{run.path} has no parity.json; run python -m training.verify {run.path}" in refusal(run)
    run.manifest.unlink()
    assert f"{run.path} has no export/manifest.json; run python -m training.export {run.path}" in refusal(run)
    assert "not a run (no run.json)" in refusal(RunDirectory(path=run.export))


def test_a_failed_gate_is_named_with_its_checks(run: RunDirectory) -> None:
    failed = CHECK | {"value": 0.4, "passed": False}
    write_manifest(run.parity, manifest(run, "parity", passed=False, checks=[CHECK, failed]))
    message = refusal(run)
    assert "the parity gate was not passed (mean KL of tiny-r8.q4_k_m.gguf is 0.4, limit at most 0.15)" in message
    assert f"run python -m training.verify {run.path} again" in message


@pytest.mark.parametrize("extra", [{}, {"passed": "yes"}, {"passed": True, "checks": [CHECK | {"passed": False}]}])
def test_only_a_clear_verdict_counts(run: RunDirectory, extra: dict[str, object]) -> None:
    write_manifest(run.parity, manifest(run, "parity", **extra))
    assert "the parity gate was not passed" in refusal(run)


def test_a_file_changed_since_the_gate_is_refused(run: RunDirectory) -> None:
    run.gguf("q4_k_m").write_bytes(b"GGUF, but another")
    message = refusal(run)
    assert "tiny-r8.q4_k_m.gguf is not the file that the parity gate judged" in message
    assert f"run python -m training.verify {run.path} again" in message
    assert len(publication_of(run.path, kinds=["f16", "adapter"]).files) == 2


def test_a_file_that_was_not_judged_is_refused(run: RunDirectory) -> None:
    judged = read_manifest(run.parity)
    files = {name: digest for name, digest in judged.files.items() if "f16" not in name}
    write_manifest(run.parity, replace(judged, files=files))
    assert "tiny-r8.f16.gguf was not judged by the parity gate" in refusal(run)


def test_files_that_are_gone_are_named(run: RunDirectory) -> None:
    (run.adapter / "adapter_model.safetensors").unlink()
    assert f"{run.adapter / 'adapter_model.safetensors'} is missing" in refusal(run)
    run.gguf("f16").unlink()
    assert f"{run.gguf('f16')} is missing; run python -m training.export {run.path}" in refusal(run)


def test_a_parity_file_that_is_none_is_refused(run: RunDirectory) -> None:
    write_manifest(run.parity, manifest(run, "gguf", passed=True))
    assert "a manifest of kind 'gguf', not 'parity'" in refusal(run)
    run.parity.write_text("{")
    message = refusal(run)
    assert f"{run.parity}: not JSON" in message
    assert f"run python -m training.verify {run.path} again" in message


@pytest.mark.parametrize("status", ["running", "stopped", "failed"])
def test_an_unfinished_run_is_refused(run: RunDirectory, status: str) -> None:
    write_record(run, replace(read_record(run), status=status))
    assert f"training is {status}, not finished" in refusal(run)


def test_what_is_not_there_is_left_empty(run: RunDirectory) -> None:
    run.metrics.unlink()
    run.loss_plot.unlink()
    (Path(read_record(run).data_path) / "card.json").unlink()
    publication = publication_of(run.path)
    assert (publication.metrics, publication.has_loss_plot, publication.data_card) == ((), False, {})


def test_a_torn_line_of_metrics_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1, "loss": 2.0}) + '\n[1]\n{"step": 2, "lo')
    assert read_metrics(path) == [{"step": 1, "loss": 2.0}]


def test_local_directories_are_taken_out_of_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    text = f'"{tmp_path}/work/runs/a" and "{tmp_path}/home/.cache/b"'
    assert without_local_paths(text) == '"runs/a" and "~/.cache/b"'
