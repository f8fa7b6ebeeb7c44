"""Where things lie: the project's own files, the cache, and what people made. Standard library only."""

import os
from pathlib import Path

from data.settings import CACHE, REGISTRY, RESULTS, STATE

ROOT = Path(__file__).resolve().parent.parent


def cache_dir() -> Path:
    """Directory of libraries and model files; by default `~/.cache/tradeoff`, after the XDG convention."""
    return _directory(CACHE.read(), "XDG_CACHE_HOME", "~/.cache")


def state_dir() -> Path:
    """Votes, shared comparisons, added models, benchmark configurations; by default `~/.local/share/tradeoff`."""
    return _directory(STATE.read(), "XDG_DATA_HOME", "~/.local/share")


def registry_path() -> Path:
    """The project's registry of models."""
    return Path(REGISTRY.read() or ROOT / "data" / "models.toml")


def added_models_path() -> Path:
    """The registry of the models that a person has added on this machine."""
    return state_dir() / "models.toml"


def results_directories() -> list[Path]:
    """`benchmarks/results` (committed) and `results` (this machine's, the last), unless set otherwise."""
    if override := RESULTS.read():
        return [Path(part) for part in override.split(os.pathsep)]
    return [ROOT / "benchmarks" / "results", ROOT / "results"]


def python_path() -> str:
    """`PYTHONPATH` for a child process: this project first, then what is set."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def _directory(override: str | None, base_variable: str, base_default: str) -> Path:
    if override:
        return Path(override).expanduser().absolute()
    return Path(os.environ.get(base_variable) or base_default).expanduser() / "tradeoff"
