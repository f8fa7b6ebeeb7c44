"""A process that infers does not grow beyond what its models need."""

import subprocess
import sys
from pathlib import Path

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.growth import bytes_to_load
from tests.gguf_bytes import model_bytes

GROW = """
from benchmarks.engine.growth import bound
bound({more})
try:
    kept = bytearray({asked})
    print("grown")
except MemoryError:
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


def test_what_a_model_needs_is_read_from_its_header(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(model_bytes())
    assert bytes_to_load(tmp_path / "model.gguf", LoadOptions()) > 0
    assert bytes_to_load(tmp_path / "none.gguf", LoadOptions()) == 0
