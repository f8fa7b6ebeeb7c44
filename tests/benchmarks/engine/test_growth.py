"""A process that infers does not grow beyond what its models need."""

import subprocess
import sys
from pathlib import Path

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.growth import bytes_to_load
from benchmarks.engine.worker import Worker
from tests.gguf_bytes import model_bytes

GROW = """
import mmap
from benchmarks.engine.growth import bound
bound({more})
try:
    kept = mmap.mmap(-1, {asked}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    print("grown")
except OSError:
    print("refused")
"""


def _grown(*, more: int, asked: int) -> str:
    code = GROW.format(more=more, asked=asked)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_what_is_asked_beyond_the_spare_is_refused() -> None:
    assert _grown(more=0, asked=2**28) == "grown"
    assert _grown(more=0, asked=2**31) == "refused"


def test_a_load_may_take_what_the_model_needs() -> None:
    assert _grown(more=2**31, asked=2**31) == "grown"


def test_distributions_beyond_the_spare_still_come_out(tmp_path: Path) -> None:
    """0.7 GB of them, as windows of a real vocabulary have, and once more on their way out."""
    (tmp_path / "a.json").write_text("{}")
    worker = Worker()
    try:
        worker.load("a", tmp_path / "a.json", LoadOptions(context_tokens=180_000), engine="scripted")
        assert worker.distributions("a", [1] * 180_000).shape == (180_000, 1000)
    finally:
        worker.close()


def test_what_a_model_needs_is_read_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(model_bytes())
    assert bytes_to_load(tmp_path / "model.gguf", LoadOptions()) > 0
    assert bytes_to_load(tmp_path / "none.gguf", LoadOptions()) == 0
