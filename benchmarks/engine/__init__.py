"""The engines by name, each opened with `(path, LoadOptions)`; llama.cpp is loaded by who opens it, and nobody else."""

from collections.abc import Callable
from pathlib import Path

from benchmarks.engine.contract import Engine, LoadOptions
from benchmarks.engine.scripted import ScriptedEngine
from benchmarks.engine.served.engine import ServedEngine
from data.models.served import is_address


def _llama_cpp(path: Path, options: LoadOptions) -> Engine:
    from benchmarks.engine.native.engine import LlamaEngine

    return LlamaEngine(path, options)


def _openai(path: Path, options: LoadOptions) -> Engine:
    return ServedEngine(path, options)


def _scripted(path: Path, options: LoadOptions) -> Engine:
    return ScriptedEngine(path, options)


SERVED = "openai"
ENGINES: dict[str, Callable[[Path, LoadOptions], Engine]] = {
    "llama_cpp": _llama_cpp,
    SERVED: _openai,
    "scripted": _scripted,
}


def open_engine(name: str, path: Path, options: LoadOptions) -> Engine:
    """A model by this engine; one that is served elsewhere has its own, whatever opens the others.

    Raises:
        EngineError: It cannot be opened.
    """
    return ENGINES[SERVED if is_address(path) else name](path, options)
