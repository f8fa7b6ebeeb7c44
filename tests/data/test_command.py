import subprocess
import sys

from data.paths import ROOT


def test_a_reader_that_has_enough_is_no_error() -> None:
    prints = "[print('x' * 4096) for _ in range(999)] and 0"
    program = f"from data.command import run_command; run_command(lambda: {prints}, interrupted='nothing')"
    shell = f'"{sys.executable}" -u -c "{program}" | head -1'
    done = subprocess.run(["bash", "-o", "pipefail", "-c", shell], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("xxx") and done.stderr == ""
