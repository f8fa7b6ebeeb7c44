"""What the doctor finds on machines that lack something: one line each, and what to do."""

import json
import shutil
import socket
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest

from app.chat.shares import Shares
from app.doctor import main
from app.machine import descriptors, health
from app.machine.health import Finding, examine
from data.paths import cache_dir
from data.settings import MEMORY_GB, OPERATOR_TOKEN, PROXIES
from tests.gguf_bytes import model_bytes

Disk = namedtuple("Disk", "free")


def found(name: str) -> Finding:
    (finding,) = examine({name: health.LOOKS[name]})
    assert "\n" not in str(finding)
    return finding


def test_a_cpu_that_is_too_old_must_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "cpu_flags", lambda: frozenset({"avx"}))
    assert found("cpu").verdict == "mend" and "AVX2" in found("cpu").says


def test_a_library_that_does_not_load_must_be_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libllama.so").write_bytes(b"no library")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    assert found("library").verdict == "mend" and "run `make setup`" in found("library").says


@pytest.mark.slow
def test_the_library_that_is_here_loads() -> None:
    assert found("library").verdict == "ok"


def test_memory_that_is_too_little_or_set_wrong_must_be_mended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "available_memory_bytes", lambda: 2_000_000_000)
    for said, words in (("much", "set gigabytes"), ("9", "set TRADEOFF_MEMORY_GB to less"), ("0.1", "smallest model")):
        monkeypatch.setenv(MEMORY_GB.name, said)
        assert found("memory").verdict == "mend" and words in found("memory").says
    monkeypatch.setenv(MEMORY_GB.name, "1.5")
    assert str(found("memory")) == "ok    memory       2.00 GB are available, 1.50 GB are for models"


@pytest.mark.parametrize(("free", "verdict"), [(10**8, "mend"), (10**9, "note"), (10**10, "ok")])
def test_a_full_disk_is_named(free: int, verdict: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(free))
    assert found("disk").verdict == verdict


def test_too_few_descriptors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 1024)
    assert found("descriptors").verdict == "note"
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 300)
    assert found("descriptors").verdict == "mend"


def test_a_hub_that_is_not_there_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert found("hub").verdict == "note"
        listening.listen()
        assert found("hub").verdict == "ok"


def test_a_damaged_model_is_named_with_the_way_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = '[[model]]\nid = "{0}"\nlabel = "{0}"\nbase = "x"\nsize = "0"\nquantization = "x"\nlicence = "x"\n'
    table += 'source = {{ kind = "file", path = "{0}.gguf" }}\n'
    (tmp_path / "models.toml").write_text(table.format("a") + table.format("b"))
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(tmp_path / "models.toml"))
    (tmp_path / "a.gguf").write_bytes(model_bytes())
    assert found("models").verdict == "note" and "fetch ID" in found("models").says
    (tmp_path / "b.gguf").write_bytes(model_bytes())
    assert found("models").verdict == "ok"
    (tmp_path / "b.gguf").write_bytes(b"GGUF no more")
    assert found("models").verdict == "mend" and found("models").says.startswith("b: ")
    cache_dir().mkdir(parents=True, exist_ok=True)
    (cache_dir() / "models.lock.json").write_text("[")
    assert found("models").verdict == "mend"


def test_damaged_state_is_named(state: Path) -> None:
    assert (found("votes").says, found("shares").says) == ("none yet", "0 can be read")
    Shares(state / "shared").store({"turns": []})
    (state / "shared" / "broken.json").write_text("{")
    (state / "votes.sqlite").write_bytes(b"no database at all" * 100)
    assert found("shares").verdict == "note" and "1 of 2 are damaged" in found("shares").says
    assert found("votes").verdict == "mend" and "move the file away" in found("votes").says
    (state / "votes.sqlite").unlink()
    sqlite3.connect(state / "votes.sqlite").execute("CREATE TABLE votes (x)")
    assert found("votes").says == "0 can be read"


def test_what_no_look_foresaw_is_a_finding_too() -> None:
    def explodes() -> tuple[health.Verdict, str]:
        raise OSError("the moon is\nin the way")

    (finding,) = examine({"moon": explodes})
    assert str(finding) == "mend  moon         the moon is in the way"


def test_the_exit_status_is_one_where_something_must_be_mended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(health, "LOOKS", {"cpu": lambda: ("ok", "fine"), "hub": lambda: ("mend", "far away")})
    assert main(["--offline"]) == 0
    assert capsys.readouterr().out == "ok    cpu          fine\n"
    assert main([]) == 1
    monkeypatch.setattr(health, "LOOKS", {"hub": lambda: ("note", "far away")})
    assert main([]) == 0
    for name, value in ((OPERATOR_TOKEN.name, "short"), (PROXIES.name, "many")):
        monkeypatch.setenv(name, value)
        assert main([]) == 1
        assert name in capsys.readouterr().out
        monkeypatch.delenv(name)


def test_runs_that_are_left_out_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text(json.dumps([]))
    assert found("runs").verdict == "note" and "run" in found("runs").says
