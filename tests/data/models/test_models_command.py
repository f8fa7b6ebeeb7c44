"""The command line `python -m data.models`, mostly as a process of its own against a Hub on loopback."""

import io
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from data.models.__main__ import main
from data.paths import ROOT
from data.progress import Progress, ProgressPrinter
from tests.gguf_bytes import model_bytes
from tests.hub import COMMIT, Hub, Repo

CONTENT = model_bytes(600_000)
REGISTRY = """
[[model]]
id = "tiny"
label = "Tiny one"
base = "Tiny"
size = "1M"
quantization = "q4_0"
licence = "MIT"
source = { kind = "hf", repo = "org/tiny-GGUF", file = "tiny-q4.gguf" }
"""


@pytest.fixture
def registry(tmp_path: Path, hub: Hub) -> str:
    hub.repos["org/tiny-GGUF"] = Repo(files={"tiny-q4.gguf": CONTENT})
    path = tmp_path / "my.toml"
    path.write_text(REGISTRY)
    return str(path)


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "data.models", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: str) -> tuple[int, str, str]:
    with start(*arguments) as process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def wait_for(condition: Callable[[], bool]) -> None:
    """Return as soon as another process made `condition` true."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def test_a_model_is_listed_fetched_found_and_removed(registry: str, cache: Path) -> None:
    code, out, _ = run("list", "--registry", registry)
    assert code == 0
    assert out.splitlines()[1].split() == ["tiny", "Tiny", "one", "q4_0", "?", "MIT", "no", "unpinned"]
    code, out, err = run("fetch", "tiny", "--registry", registry)
    assert code == 0
    path = Path(out.strip())
    assert path.read_bytes() == CONTENT
    assert "tiny: download" in err
    assert run("path", "tiny", "--registry", registry)[1] == out
    row = run("list", "--registry", registry)[1].splitlines()[1].split()
    assert row[-5:] == ["1", "MB", "MIT", "yes", "locked"]
    assert run("remove", "tiny", "--registry", registry)[:2] == (0, "tiny: 1 MB freed\n")
    assert not path.exists()
    code, out, err = run("path", "tiny", "--registry", registry)
    assert (code, out, err) == (1, "", "error: tiny is not fetched; run `python -m data.models fetch tiny`\n")


@pytest.mark.slow
def test_json_is_alone_on_stdout(registry: str) -> None:
    (row,) = json.loads(run("fetch", "tiny", "--json", "--registry", registry)[1])
    assert row["file_size_bytes"] == len(CONTENT)
    (listed,) = json.loads(run("list", "--json", "--registry", registry)[1])
    assert (listed["id"], listed["path"], listed["pin"], listed["source"]) == ("tiny", row["path"], "locked", "hf")
    assert json.loads(run("path", "tiny", "--json", "--registry", registry)[1]) == {"id": "tiny", "path": row["path"]}
    assert json.loads(run("remove", "tiny", "--json", "--registry", registry)[1]) == [
        {"id": "tiny", "freed_bytes": len(CONTENT)}
    ]


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_keeps_what_was_downloaded(registry: str, hub: Hub, cache: Path) -> None:
    hub.hold_after = 300_000
    with start("fetch", "tiny", "--registry", registry) as process:
        assert hub.holding.wait(60)
        wait_for(lambda: any(path.stat().st_size for path in (cache / "models" / "tiny").glob("*.partial")))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "interrupted; what was downloaded is kept, fetch again to go on"
    assert "Traceback" not in err
    hub.hold_after = None
    hub.go_on.set()
    (partial,) = (cache / "models" / "tiny").glob("*.partial")
    kept = partial.stat().st_size
    assert run("fetch", "tiny", "--registry", registry)[0] == 0
    assert hub.downloads()[-1].headers["Range"] == f"bytes={kept}-"
    assert f"/resolve/{COMMIT}/" in hub.downloads()[-1].path


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("fetch", "tinny"), 1, "error: unknown model 'tinny'; did you mean 'tiny'?; known models: tiny"),
        (("fetch",), 2, "data.models fetch: error: the following arguments are required: ID"),
        (("frobnicate",), 2, "invalid choice: 'frobnicate'"),
    ],
)
def test_wrong_use_is_one_clear_line(registry: str, arguments: tuple[str, ...], code: int, line: str) -> None:
    got, out, err = run(*arguments, *(() if code == 2 else ("--registry", registry)))
    assert (got, out) == (code, "")
    assert line in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.slow
def test_no_network_is_one_line_and_a_fetched_model_still_works(
    registry: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("fetch", "tiny", "--registry", registry)[0] == 0
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert run("fetch", "tiny", "--registry", registry)[0] == 0
    run("remove", "tiny", "--registry", registry)
    code, _, err = run("fetch", "tiny", "--registry", registry)
    assert code == 1
    assert err.startswith("error: cannot reach http://127.0.0.1:9")
    assert len(err.splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    heavy = "{'huggingface_hub', 'numpy', 'llama_cpp', 'gguf', 'httpx', 'filelock'}"
    code = f"import sys, data.models; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"


def test_list_works_on_the_shipped_registry_with_an_empty_cache(
    cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list"]) == 0
    assert "smollm2-135m-q4_k_m" in capsys.readouterr().out
    assert not cache.exists()


def test_a_cache_that_cannot_be_made_is_one_line(
    registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("TRADEOFF_CACHE", str(tmp_path / "taken"))
    for command in (["fetch", "tiny"], ["remove", "tiny"]):
        assert main([*command, "--registry", registry]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert str(tmp_path / "taken") in error
        assert len(error.splitlines()) == 1


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def steps(printer: ProgressPrinter, times: list[float], now: list[float]) -> None:
    for done, seconds in enumerate(times):
        now[0] = seconds
        printer(Progress(model_id="m", stage="download", done_bytes=done * 1_000_000, total_bytes=10_000_000))


def test_progress_is_sparse_where_nobody_watches() -> None:
    stream, now = io.StringIO(), [0.0]
    steps(ProgressPrinter(stream, lambda: now[0]), [0, 1, 2, 5.5, 6], now)
    assert stream.getvalue() == "m: download 0 of 10 MB (0%)\nm: download 3 of 10 MB (30%)\n"


def test_progress_is_one_updating_line_on_a_terminal() -> None:
    stream, now = Terminal(), [0.0]
    printer = ProgressPrinter(stream, lambda: now[0])
    steps(printer, [0, 1], now)
    printer.end_line()
    assert stream.getvalue() == "\r\033[Km: download 0 of 10 MB (0%)\r\033[Km: download 1 of 10 MB (10%)\n"
