"""A question whose answer is the likeliest of several ends: multiple choice by log-likelihood."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Ends:
    """Several ways to go on from one beginning, as plain text without a chat template."""

    beginning: str
    ends: tuple[str, ...]
