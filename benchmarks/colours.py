"""One colour per model, the same on every page and in every chart."""

from collections.abc import Sequence

# Okabe and Ito's colour-blind-safe palette, without its black and yellow: neither is legible on both white and dark.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")


def colour_of(model_ids: Sequence[str]) -> dict[str, str]:
    """One colour per model, by its place in the registry: adding a model at the end changes no other's colour."""
    return {model_id: PALETTE[place % len(PALETTE)] for place, model_id in enumerate(model_ids)}
