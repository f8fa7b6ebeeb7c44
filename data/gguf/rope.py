"""Rotary frequencies as a GGUF holds them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def llama3_rope_factors(
    head_dim: int,
    *,
    base: float = 500_000.0,
    factor: float = 32.0,
    low: float = 1.0,
    high: float = 4.0,
    trained: int = 8192,
) -> "npt.NDArray[np.float32]":
    """Divisors of the rotary frequencies that stretch Llama 3.2's context from `trained` tokens, shape (head_dim / 2,).

    Source: "llama3" in transformers' modeling_rope_utils.py, with the values of Llama-3.2's config.json.
    """
    import numpy as np

    wavelength = 2 * np.pi * base ** (np.arange(0, head_dim, 2) / head_dim)
    smooth = np.clip((trained / wavelength - low) / (high - low), 0, 1)
    return (1 / ((1 - smooth) / factor + smooth)).astype(np.float32)
