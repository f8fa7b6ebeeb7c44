"""Where the app keeps what people made with it: votes, shared comparisons, added models, benchmark configurations."""

import os
from pathlib import Path


def state_dir() -> Path:
    """`TRADEOFF_STATE` overrides the default, which follows the XDG convention: `~/.local/share/tradeoff`."""
    if override := os.environ.get("TRADEOFF_STATE"):
        return Path(override).expanduser().absolute()
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "tradeoff"
