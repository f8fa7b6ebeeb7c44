"""The app as a process of its own on two scripted models, and what it takes of the machine."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from data.paths import ROOT
from data.settings import PROXIES
from tests.gguf_bytes import model_bytes

WORDS = 100
LANES_AT_ONCE = 8
"""Four comparisons of two models: each lane writes at its rate when all write."""


@dataclass(frozen=True, kw_only=True)
class Server:
    url: str
    pid: int
    log: Path

    def memory_bytes(self) -> int:
        """Resident memory of the pages, without the worker's."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def descriptors(self) -> int:
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task").glob("*/children")
        return [int(pid) for each in children for pid in each.read_text().split()]


@contextmanager
def serving(tok_per_s: float | None = 20.0) -> Iterator[Server]:
    """Each reply has a hundred words; visitors are told apart by what a proxy says.

    Args:
        tok_per_s: None for the pair that the app shows first, instead of scripted models.
    """
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        own = {"TRADEOFF_STATE": str(folder / "state"), PROXIES.name: "1"}
        if tok_per_s is not None:
            _write_models(folder, 1 / (tok_per_s * LANES_AT_ONCE))
            own |= {
                "TRADEOFF_REGISTRY": str(folder / "models.toml"),
                "TRADEOFF_ENGINE": "scripted",
                "TRADEOFF_MODELS": "tiny",
                "TRADEOFF_RESULTS": str(folder / "results"),
            }
        port, log = _free_port(), folder / "log"
        with log.open("wb") as out:
            command = [sys.executable, "-m", "app.serve", "--port", str(port)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env={**os.environ, **own})
            try:
                server = Server(url=f"http://localhost:{port}", pid=process.pid, log=log)
                _wait(server, process)
                yield server
            finally:
                process.terminate()
                process.wait(timeout=20)


def _write_models(folder: Path, pace_s: float) -> None:
    tables = []
    for name in ("alpha", "beta"):
        (folder / f"{name}.gguf").write_bytes(model_bytes())
        script = {"reply": "word " * WORDS, "pace_s": pace_s, "decode_tok_per_s": 20, "prefill_tok_per_s": 500}
        (folder / f"{name}.json").write_text(json.dumps(script))
        tables.append(
            f'[[model]]\nid = "{name}"\nlabel = "{name.title()}"\nbase = "none"\nsize = "1M"\nquantization = "q8_0"\n'
            f'licence = "MIT"\nsource = {{ kind = "file", path = "{name}.gguf" }}\n'
        )
    (folder / "models.toml").write_text("\n".join(tables))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _wait(server: Server, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{server.url}/_stcore/health", timeout=1) as answer:
                if answer.read() == b"ok":
                    return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the app does not answer its health check: {server.log.read_text()[-500:]}")
