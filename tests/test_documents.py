"""What the documents name exists, and the app's environment alone is enough for it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from data.paths import ROOT
from data.settings import VARIABLES

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/log.md", "docs/security.md", "docs/reliability.md")
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


def test_every_threat_is_attacked_by_a_test_that_exists() -> None:
    lines = [line for line in (ROOT / "docs/security.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(lines) > 8
    for line in lines:
        tests = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line)
        assert tests, line
        for path, name in tests:
            assert f"def {name}(" in (ROOT / path).read_text(), f"{path}::{name}"


def test_the_commands_named_are_found_at_all() -> None:
    assert {"benchmarks.run", "benchmarks.speed", "benchmarks.shapes", "data.models"} <= set(MODULES)


def test_contributing_lists_every_variable_as_the_settings_have_it() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = [f"| `{each.name}` | {each.meaning} | {each.default} |" for each in VARIABLES]
    assert [line for line in text.splitlines() if line.startswith("| `TRADEOFF_")] == table


def test_no_variable_of_ours_is_read_past_the_settings() -> None:
    code = [path for package in ("app", "benchmarks", "data", "training") for path in (ROOT / package).rglob("*.py")]
    named = {name for path in code for name in re.findall(r'"(TRADEOFF_[A-Z_]+)"', path.read_text())}
    assert named == {each.name for each in VARIABLES}


def test_contributing_has_every_folder_on_its_map() -> None:
    text, packages = (
        (ROOT / "CONTRIBUTING.md").read_text(),
        [ROOT / name for name in ("app", "benchmarks", "data", "training")],
    )
    folders = {path.parent for package in packages for path in package.rglob("*.py")} - set(packages)
    assert [
        str(folder.relative_to(ROOT)) for folder in folders if f"`{folder.name}`" not in text.replace("/", "`")
    ] == []


@pytest.mark.parametrize("stage", ["libraries", "environment"])
def test_the_images_stages_copy_all_that_their_set_up_imports(stage: str, tmp_path: Path) -> None:
    lines = (ROOT / "Dockerfile").read_text().partition(f" AS {stage}\n")[2].partition("\nFROM ")[0].splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            *sources, target = line.split()[1:]
            for source in sources:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / source, tmp_path / target)
    done = subprocess.run(
        [sys.executable, "-S", "scripts/setup.py", "--help"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
