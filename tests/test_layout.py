"""The packages depend on each other in one direction, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from data.paths import ROOT

PACKAGES = ("data", "benchmarks", "training", "app")
ALLOWED = {
    "data": {"data"},
    "benchmarks": {"benchmarks", "data"},
    "training": {"training", "benchmarks", "data"},
    "app": {"app", "benchmarks", "data"},
}
CONFINED = {
    "llama_cpp": {"benchmarks/engine/llama_binding.py", "data/gguf/quantize.py"},
    "unsloth": {"training/fit/unsloth.py"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: Path) -> set[str]:
    """Top-level names of everything that a module imports, also inside functions."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    assert imported(path) & set(PACKAGES) <= ALLOWED[package]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_stay_where_they_belong(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    for library, homes in CONFINED.items():
        assert library not in imported(path) or name in homes
    assert "streamlit" not in imported(path) or name.startswith("app/")


def test_the_direction_test_sees_every_package() -> None:
    seen = {path.relative_to(ROOT).parts[0] for path in modules()}
    assert seen == set(PACKAGES)


def fresh(code: str) -> str:
    """What a new process prints."""
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("command", ["prepare", "sft", "export", "verify", "publish"])
def test_help_of_a_training_command_is_shown_without_loading_what_trains(command: str) -> None:
    code = f"""
import contextlib, sys
from training.{command} import main
with contextlib.suppress(SystemExit):
    main(["--help"])
print(sorted({{"torch", "transformers", "datasets", "huggingface_hub", "numpy", "llama_cpp"}} & set(sys.modules)))
"""
    help_text, _, loaded = fresh(code).strip().rpartition("\n")
    assert help_text.startswith(f"usage: python -m training.{command}")
    assert loaded == "[]"


def test_data_are_prepared_and_models_trained_where_there_is_no_llama_cpp() -> None:
    code = """
import sys
from pathlib import Path
sys.modules["llama_cpp"] = None
import training.prepare, training.sft, training.fit.trainer, training.fit.backends, training.fit.trl
import training.checkpoints.base_model, training.rows.examples, training.rows.sources, training.fit.plan
training.config.load_config(Path("training/configs/llama-3.2-1b-r8.toml"))
print("loaded")
"""
    assert fresh(code) == "loaded\n"
