import os
import sys
from pathlib import Path

import pytest

from data.child import last_error, run_child
from data.progress import FetchCancelled, never_cancelled


def run(tmp_path: Path, code: str, **options: object) -> tuple[int, str]:
    command = [sys.executable, "-c", code]
    return run_child(command, directory=tmp_path, cancelled=never_cancelled, **options)  # type: ignore[arg-type]


def test_exit_code_and_both_streams_come_back(tmp_path: Path) -> None:
    code, log = run(tmp_path, "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)")
    assert (code, log) == (3, "out\nerr\n")
    assert list(tmp_path.iterdir()) == []


def test_only_the_end_of_a_long_log_is_kept(tmp_path: Path) -> None:
    _, log = run(tmp_path, "print('x' * 100_000); print('end')")
    assert log.endswith("end\n")
    assert len(log) < 20_000


def test_an_abort_of_the_child_is_a_negative_code_here(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; os.abort()")[0] == -6


def test_cancelling_ends_the_child(tmp_path: Path) -> None:
    (tmp_path / "pipe").touch()
    os.mkfifo(tmp_path / "fifo")
    command = [sys.executable, "-c", f"open({str(tmp_path / 'fifo')!r}).read()"]  # waits for ever
    with pytest.raises(FetchCancelled):
        run_child(command, directory=tmp_path, cancelled=lambda: True)


def test_the_most_telling_line_of_a_log_is_found() -> None:
    assert last_error("a\nERROR: no such thing\nbye\n") == "ERROR: no such thing"
    assert last_error("a\nb\n") == "b"
    assert last_error("") == "it said nothing"
