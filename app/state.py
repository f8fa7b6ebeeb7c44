"""Where the app finds runs, and keeps what people made with it. No Streamlit in this module."""

import os
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


def state_dir() -> Path:
    """Votes, shared comparisons, added models, benchmark configurations.

    `TRADEOFF_STATE` overrides the default, which follows the XDG convention: `~/.local/share/tradeoff`.
    """
    if override := os.environ.get("TRADEOFF_STATE"):
        return Path(override).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tradeoff"


def results_directories() -> list[Path]:
    """`benchmarks/results` (committed) and `results` (this machine's, the last); `TRADEOFF_RESULTS` replaces both."""
    if override := os.environ.get("TRADEOFF_RESULTS"):
        return [Path(part) for part in override.split(os.pathsep)]
    return [_ROOT / "benchmarks" / "results", _ROOT / "results"]
