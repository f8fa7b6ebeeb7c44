"""The whole pipeline by one command, which goes on where it was stopped."""

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.manifest import Manifest, read_manifest, write_manifest
from tests.training.tiny_models import write_rows, write_tiny
from training.chain import main
from training.config import CONFIGS_DIR
from training.run_directory import RunDirectory

PASSED = {"passed": True}
TINY = str(CONFIGS_DIR / "tiny.toml")


class Commands:
    """Stands in for the commands: notes each, and leaves what it would have left."""

    def __init__(self, runs: Path, fails: str = "") -> None:
        self.run, self.fails, self.asked = RunDirectory(path=runs / "tiny"), fails, list[str]()

    def __call__(self, command: list[str]) -> Any:
        name = command[2].removeprefix("training.")
        self.asked.append(" ".join([name, *command[3:]]))
        if name == self.fails:
            return SimpleNamespace(returncode=1)
        self.run.export.mkdir(parents=True, exist_ok=True)
        match name:
            case "export":
                self.run.manifest.write_text("{}")
            case "verify":
                passed = Manifest(kind="parity", base="tiny", base_sha256="", files={}, created_by="test", extra=PASSED)
                write_manifest(self.run.parity, passed)
        return SimpleNamespace(returncode=0)


def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *more: str, fails: str = "") -> tuple[int, list[str]]:
    commands = Commands(tmp_path, fails)
    monkeypatch.setattr(subprocess, "run", commands)
    status = main([TINY, "--runs", str(tmp_path), *more])
    return status, [each.replace(str(tmp_path), "RUNS").replace(TINY, "CONFIG") for each in commands.asked]


def test_each_command_follows_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, commands = asked(tmp_path, monkeypatch, "--owner", "me", "--set", "lora.rank=2")
    assert status == 0
    assert commands == [
        "prepare CONFIG --set lora.rank=2 --runs RUNS",
        "sft CONFIG --set lora.rank=2 --runs RUNS",
        "export RUNS/tiny",
        "verify RUNS/tiny",
        "publish RUNS/tiny --repo me/tiny",
    ]


def test_the_base_writes_its_replay_first_where_there_is_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = ["--set", "data.sources.rows.kind=replay", "--set", "data.sources.rows.path=", "--set"]
    status, commands = asked(tmp_path, monkeypatch, *changes, "data.sources.rows.self_prompts=4")
    assert status == 0 and commands[0].startswith("replay CONFIG") and not any("publish" in each for each in commands)


def test_what_fails_ends_it_and_what_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    status, commands = asked(tmp_path, monkeypatch, fails="verify")
    assert status == 1 and commands[-1] == "verify RUNS/tiny"
    status, commands = asked(tmp_path, monkeypatch)
    assert status == 0 and [each.partition(" ")[0] for each in commands] == ["prepare", "sft", "verify"]


def test_a_config_that_cannot_be_read_is_said_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = Commands(tmp_path)
    monkeypatch.setattr(subprocess, "run", commands)
    assert main([TINY, str(tmp_path / "none.toml")]) != 0
    assert "none.toml: cannot be read" in capsys.readouterr().err and commands.asked == []


@pytest.mark.slow
def test_a_tiny_model_goes_all_the_way_and_a_second_call_only_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_tiny(tmp_path / "base", "qwen2")
    changes = {
        "base.name": str(base),
        "data.path": str(write_rows(tmp_path / "rows.jsonl")),
        "data.template": "base",
    }
    given = [
        TINY,
        "--runs",
        str(tmp_path / "runs"),
        *(p for pair in changes.items() for p in ("--set", "=".join(pair))),
    ]
    assert main(given) == 0
    run = RunDirectory(path=tmp_path / "runs" / "tiny")
    assert run.gguf("q8_0").exists() and read_manifest(run.parity).extra["passed"]
    before = {path: path.stat().st_mtime_ns for path in run.export.iterdir()}
    assert main(given) == 0
    assert {path: path.stat().st_mtime_ns for path in run.export.iterdir()} == before
