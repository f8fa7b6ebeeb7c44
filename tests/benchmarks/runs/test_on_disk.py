import os
from pathlib import Path

from benchmarks.runs.on_disk import fingerprint, load_runs, without_paths
from benchmarks.runs.read import MANIFEST_NAME


def test_a_file_changes_the_fingerprint_and_one_that_is_being_written_does_not(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / MANIFEST_NAME).write_text("{}")
    before = fingerprint([tmp_path])
    (run / f".{MANIFEST_NAME}.{os.getpid()}").symlink_to("vanished")
    (run / "x.json").symlink_to("vanished")
    assert fingerprint([tmp_path]) == before
    (run / "samples.jsonl").write_text("{}")
    assert fingerprint([tmp_path]) != before


def test_no_path_of_the_machine_is_shown(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / MANIFEST_NAME).write_text("[")
    [problem] = load_runs([tmp_path]).problems
    assert problem.startswith(f"run/{MANIFEST_NAME}: ") and str(tmp_path) not in problem
    manifest = {"config": {"suites": ["core", "/home/me/mine.csv"]}, "suites": {"/home/me/mine.csv": {"prompts": 3}}}
    assert without_paths(manifest) == {
        "config": {"suites": ["core", "mine.csv"]},
        "suites": {"mine.csv": {"prompts": 3}},
    }
