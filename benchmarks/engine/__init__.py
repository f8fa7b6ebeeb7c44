"""The engines by name, each opened with `(path, LoadOptions)`; llama.cpp is loaded by who opens it, and nobody else."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.engine.contract import Engine, LoadOptions
from benchmarks.engine.scripted import ScriptedEngine


def _llama_cpp(path: Path, options: LoadOptions) -> Engine:
    from benchmarks.engine.native.engine import LlamaEngine

    return LlamaEngine(path, options)


def _scripted(path: Path, options: LoadOptions) -> Engine:
    return ScriptedEngine(path, options)


ENGINES: dict[str, Callable[[Path, LoadOptions], Engine]] = {"llama_cpp": _llama_cpp, "scripted": _scripted}
