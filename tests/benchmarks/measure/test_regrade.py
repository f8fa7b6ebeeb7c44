import json
import shutil
from pathlib import Path

import pytest

from benchmarks.graders import VERSION
from benchmarks.measure.regrade import regrade
from benchmarks.regrade import main
from benchmarks.runs.read import RunError, read_run
from benchmarks.runs.write import RunWriter
from data.paths import ROOT
from data.suites.prompts import Suite, load_suite, questions_sha256

COMMITTED = sorted((ROOT / "benchmarks" / "results").glob("*/run.json"))
PROMPT = {
    "id": "p1",
    "kind": "k",
    "prompt": "Three quarters as a fraction?",
    "grader": {"name": "numeric", "value": 0.75},
    "max_tokens": 9,
}


def a_run(tmp_path: Path, *rows: dict[str, object], sha256: str | None = None) -> tuple[Path, Path]:
    """A run of one suite, whose file is beside it, with spacing that no writer of today makes."""
    suite = tmp_path / "mine.jsonl"
    suite.write_text(json.dumps(PROMPT) + "\n")
    directory = tmp_path / "run"
    directory.mkdir()
    manifest = {
        "schema_version": "1.1",
        "run_id": "run",
        "suites": {"mine": {"sha256": sha256 or load_suite(suite).sha256}},
    }
    (directory / "run.json").write_text(json.dumps(manifest))
    (directory / "samples.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory, suite


def row(
    answer: str | None, grade: float | None = 0.0, reason: str | None = "says 4", **more: object
) -> dict[str, object]:
    fields = {
        "model": "m",
        "model_sha256": "0",
        "suite": "mine",
        "prompt_id": "p1",
        "kind": "k",
        "condition": "batched",
    }
    made = {"repetition": 0, "seed": 1, "started_at": "2026-11-28T00:00:00+00:00", "load_1m": 1e-05}
    graded = {"answer": answer, "grade": grade, "grade_reason": reason}
    return {**fields, **made, **graded, "error": None, "schema_version": "1.1", **more}


def test_a_misread_answer_is_graded_anew_and_every_other_byte_stays(tmp_path: Path) -> None:
    directory, path = a_run(
        tmp_path,
        row('{"grade": 0.0}, so the answer is \\frac{3}{4}'),
        row("0.75", 1.0, "says 0.75"),
        row(None, None, None),
    )
    before = (directory / "samples.jsonl").read_bytes()
    found = regrade(directory, load=lambda _: load_suite(path))
    after = (directory / "samples.jsonl").read_bytes()
    assert (found.graded, len(found.changes), found.reasons) == (2, 1, 0)
    assert after == before.replace(
        b'"grade": 0.0, "grade_reason": "says 4"', b'"grade": 1.0, "grade_reason": "says 0.75"', 1
    )
    assert [each.grade for each in read_run(directory).rows] == [1.0, 1.0, None]
    assert read_run(directory).manifest["graders_version"] == VERSION


def test_a_second_time_nothing_changes_not_even_the_date(tmp_path: Path) -> None:
    directory, path = a_run(tmp_path, row("3/4"))

    def load(_: str) -> Suite:
        return load_suite(path)

    regrade(directory, load=load)
    files = {each.name: each.read_bytes() for each in directory.iterdir()}
    assert regrade(directory, load=load).changes == ()
    assert files == {each.name: each.read_bytes() for each in directory.iterdir()}


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    directory, path = a_run(tmp_path, row("3/4"))
    files = {each.name: each.read_bytes() for each in directory.iterdir()}
    assert len(regrade(directory, load=lambda _: load_suite(path), write=False).changes) == 1
    assert files == {each.name: each.read_bytes() for each in directory.iterdir()}


def test_answers_of_a_suite_that_has_changed_keep_their_grades(tmp_path: Path) -> None:
    directory, path = a_run(tmp_path, row("3/4"), sha256="0" * 64)
    found = regrade(directory, load=lambda _: load_suite(path))
    assert found.graded == 0 and found.left == {"mine": "the suite is not as it was when the run was made"}
    assert read_run(directory).manifest["not_regraded"] == found.left


def test_a_run_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    directory, path = a_run(tmp_path, row("3/4"))
    with RunWriter(directory), pytest.raises(RunError, match="another process is writing to this run"):
        regrade(directory, load=lambda _: load_suite(path))


def test_the_command_says_what_changed_and_fails_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    directory, _ = a_run(tmp_path, row("3/4"))
    assert main([str(directory)]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "run: 0 answers graded, 0 grades changed, 0 reasons reworded"
    assert "mine: kept as it is (unknown suite 'mine'" in said
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("manifest", COMMITTED, ids=lambda path: path.parent.name)
def test_the_committed_runs_are_graded_by_the_graders_of_today(manifest: Path, tmp_path: Path) -> None:
    directory = tmp_path / manifest.parent.name
    shutil.copytree(manifest.parent, directory)
    found = regrade(directory, write=False)
    assert (found.changes, found.reasons) == ((), 0)
    assert read_run(directory).manifest["graders_version"] == VERSION


def test_a_suite_whose_limits_alone_have_changed_is_graded_anew_and_one_whose_question_has_is_not(
    tmp_path: Path,
) -> None:
    directory, path = a_run(tmp_path, row("\\frac{3}{4}"))
    manifest = json.loads((directory / "run.json").read_text())
    manifest["suites"]["mine"] |= {"questions_sha256": questions_sha256(load_suite(path).prompts), "prompts": 1}
    (directory / "run.json").write_text(json.dumps(manifest))
    path.write_text(
        json.dumps(PROMPT | {"max_tokens": 512, "right": "3/4"}) + "\n" + json.dumps(PROMPT | {"id": "new"})
    )
    assert len(regrade(directory, load=lambda _: load_suite(path), write=False).changes) == 1
    path.write_text(json.dumps(PROMPT | {"prompt": "Two quarters as a fraction?"}) + "\n")
    found = regrade(directory, load=lambda _: load_suite(path), write=False)
    assert (found.graded, found.left["mine"]) == (0, "the suite is not as it was when the run was made")
