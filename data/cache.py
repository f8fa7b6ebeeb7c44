"""Where everything large or slow to make is kept: outside the repository."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Directory of libraries and model files; `TRADEOFF_CACHE` overrides the default.

    The default follows the XDG base directory convention: `~/.cache/tradeoff`.
    """
    if override := os.environ.get("TRADEOFF_CACHE"):
        return Path(override).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tradeoff"
