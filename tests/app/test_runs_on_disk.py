import os
from pathlib import Path

from app.runs_on_disk import fingerprint
from benchmarks.runs import MANIFEST_NAME


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
