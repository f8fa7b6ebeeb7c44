"""What the documents name exists, and the app's environment alone is enough for it."""

import re
import subprocess

import pytest

from data.paths import ROOT

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/log.md")
TEXT = "\n".join((ROOT / name).read_text() for name in DOCUMENTS)
MODULES = sorted(set(re.findall(r"python -m ((?:app|benchmarks|data|training|tests)[\w.]*)", TEXT)))
APP_PYTHON = ROOT / ".venv" / "bin" / "python"


@pytest.mark.slow
@pytest.mark.parametrize("module", [module for module in MODULES if not module.startswith("tests.")])
def test_every_command_named_runs_in_the_apps_environment(module: str) -> None:
    assert APP_PYTHON.exists(), "make setup"
    done = subprocess.run([APP_PYTHON, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["app.runtime", "app.chat.generation", "benchmarks.runs.on_disk", "benchmarks.charts.scatter"]
)
def test_the_apps_environment_has_all_that_its_pages_import(module: str) -> None:
    done = subprocess.run([APP_PYTHON, "-c", f"import {module}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`(?:PORT=\d+ )?make ([\w-]+)`", TEXT)) | set(
        re.findall(r"^make ([\w-]+)", TEXT, re.MULTILINE)
    )
    assert {"app", "test", "check"} <= named <= targets


def test_every_relative_link_leads_somewhere() -> None:
    for name in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", (ROOT / name).read_text()):
            assert (ROOT / name).parent.joinpath(target).exists(), f"{name}: {target}"


def test_the_commands_named_are_found_at_all() -> None:
    assert {"benchmarks.run", "benchmarks.speed", "benchmarks.shapes", "data.models"} <= set(MODULES)
