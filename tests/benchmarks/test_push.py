import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import push
from benchmarks.runs.read import read_run
from benchmarks.runs.write import RunWriter, write_manifest
from tests.benchmarks.made_runs import graded_rows, made_run
from tests.hub import Account, Hub

REPO = "datasets/alice/bench"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    made = made_run(graded_rows("a", "1100"), graded_rows("b", "1111"))
    with RunWriter(tmp_path / "run") as writer:
        facts = {"config": {"suites": ["/home/alice/secret/mine.jsonl", "core"], "name": "x"}}
        write_manifest(writer.directory, {**made.manifest, **facts})
        for row in made.rows:
            writer.write(row)
    return tmp_path / "run"


@pytest.fixture
def token(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    hub.accounts["hf_good"] = Account(name="alice")
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    return hub


def refusal(run: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert push.main([str(run), *(arguments or ("--repo", "alice/bench"))]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "Traceback" not in said
    return said


def test_a_run_becomes_a_dataset_with_a_card_and_every_sample(
    run: Path, token: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push.main([str(run), "--repo", "alice/bench"]) == 0
    files = token.repos[REPO].files
    assert capsys.readouterr().out.strip() == f"{token.url}/datasets/alice/bench/tree/{token.repos[REPO].commit}"
    assert files["samples.jsonl"] == (run / "samples.jsonl").read_bytes()
    card = files["README.md"].decode()
    assert card.startswith("---\ntags:\n") and "data_files: samples.jsonl" in card and "## Verdict" in card
    assert b"/home" not in files["run.json"] and json.loads(files["run.json"])["config"]["suites"][0] == "mine.jsonl"


def test_what_was_pushed_reads_as_the_run_that_it_was(run: Path, token: Hub, tmp_path: Path) -> None:
    push.main([str(run), "--repo", "alice/bench", "--private"])
    assert token.repos[REPO].access == "private"
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("run.json", "samples.jsonl"):
        (copy / name).write_bytes(token.repos[REPO].files[name])
    assert read_run(copy).rows == read_run(run).rows


def test_an_answer_may_hold_what_other_programs_end_lines_with(run: Path, token: Hub) -> None:
    (made,) = graded_rows("c", "1")
    with RunWriter(run) as writer:
        writer.write(replace(made, answer="one\u2028two\x85three"))
    assert push.main([str(run), "--repo", "alice/bench"]) == 0
    assert token.repos[REPO].files["samples.jsonl"] == (run / "samples.jsonl").read_bytes()


def test_an_unfinished_run_is_not_pushed(run: Path, token: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(manifest | {"finished_at": None}))
    assert "not finished; go on with --resume" in refusal(run, capsys)
    assert REPO not in token.repos


def test_what_the_hub_refuses_is_one_line(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no Hugging Face token" in refusal(run, capsys)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not accept the Hugging Face token (401)" in refusal(run, capsys)
    hub.accounts["hf_wrong"] = Account(name="alice", role="read")
    assert "may only read" in refusal(run, capsys)
    hub.accounts["hf_wrong"] = Account(name="bob", role="fineGrained")
    assert "may not write to alice/bench (403)" in refusal(run, capsys)
    assert "--repo is 'bench'; write NAMESPACE/NAME" in refusal(run, capsys, "--repo", "bench")
    hub.accounts["hf_wrong"] = Account(name="alice")
    hub.refusals["/commit/"] = 503
    assert "answered 503 for alice/bench" in refusal(run, capsys)
