"""What the page's controls can be set to, and so what a link may ask for. No Streamlit in this module."""

from typing import Any

RANGES: dict[str, tuple[Any, Any]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.05, 1.0),
    "min_p": (0.0, 0.5),
    "repeat_penalty": (1.0, 2.0),
    "top_k": (0, 1000),
    "max_tokens": (1, 4096),
    "seed": (0, 2**32 - 1),
}
"""Least and most of each number, narrower than what an engine takes."""
