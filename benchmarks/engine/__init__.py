"""The engines by name. Each is opened with `(path, LoadOptions)`; heavy imports happen inside."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.engine.contract import Engine, LoadOptions


def _llama_cpp(path: Path, options: LoadOptions) -> Engine:
    from benchmarks.engine.llama import LlamaEngine

    return LlamaEngine(path, options)


def _scripted(path: Path, options: LoadOptions) -> Engine:
    from benchmarks.engine.scripted import ScriptedEngine

    return ScriptedEngine(path, options)


ENGINES: dict[str, Callable[[Path, LoadOptions], Engine]] = {"llama_cpp": _llama_cpp, "scripted": _scripted}
