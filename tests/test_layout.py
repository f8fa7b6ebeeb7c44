"""The packages depend on each other in one direction, and heavy libraries stay where they belong."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("data", "benchmarks", "training", "app")
ALLOWED = {
    "data": {"data"},
    "benchmarks": {"benchmarks", "data"},
    "training": {"training", "benchmarks", "data"},
    "app": {"app", "benchmarks", "data"},
}
CONFINED = {
    "llama_cpp": {"benchmarks/engines/llama_binding.py", "data/quantize.py"},
    "unsloth": {"training/backend_unsloth.py"},
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
    assert {"data", "benchmarks", "app"} <= seen
