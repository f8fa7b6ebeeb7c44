"""How many bytes models may take together, and how many each of them takes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.contract import DEFAULT_CONTEXT_TOKENS, LoadOptions
from benchmarks.engine.machine import available_memory_bytes, required_memory_bytes
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.settings import CONTEXT_TOKENS, MEMORY_GB

LEAST_CONTEXT_TOKENS = 256
SHARE = 0.8
"""Of what is available when the app begins: the rest is for pages, results and the kernel's cache."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a model takes.

    Attributes:
        weights: The file that has them; models with one base have them in memory once.
        weights_bytes: Of that file.
        own_bytes: Adapter, KV cache and buffers.
    """

    weights: tuple[int, int] | str
    weights_bytes: int = 0
    own_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        return self.weights_bytes + self.own_bytes


def need_of(path: Path, options: LoadOptions) -> Need:
    """Nothing, for a file that cannot be read: the load says why."""
    try:
        header = read_model(path)
        source = header.weights or path
        stat = source.stat()
        adapter_bytes = path.stat().st_size if header.weights else 0
    except (GGUFError, OSError):
        return Need(weights=str(path))
    whole = required_memory_bytes(header, options)
    return Need(
        weights=(stat.st_dev, stat.st_ino),
        weights_bytes=header.tensor_bytes,
        own_bytes=whole - header.tensor_bytes + adapter_bytes,
    )


def together_bytes(needs: Iterable[Need]) -> int:
    """What several models take: shared weights count once."""
    known = list(needs)
    weights = {need.weights: need.weights_bytes for need in known}
    return sum(weights.values()) + sum(need.own_bytes for need in known)


def budget_bytes(environment: Mapping[str, str] | None = None) -> int:
    """As set, or a share of what is available now, in the container or on the machine."""
    said = MEMORY_GB.read(os.environ if environment is None else environment)
    try:
        if said is not None and 0 < float(said) < 1e6:
            return int(float(said) * 1e9)
    except ValueError:
        pass
    return int(SHARE * available_memory_bytes())


def context_tokens(environment: Mapping[str, str] | None = None) -> int:
    """Of each conversation, as set."""
    said = CONTEXT_TOKENS.read(os.environ if environment is None else environment) or ""
    return int(said) if _is_context(said) else DEFAULT_CONTEXT_TOKENS


def _is_context(said: str) -> bool:
    return said.isascii() and said.isdecimal() and len(said) < 8 and int(said) >= LEAST_CONTEXT_TOKENS


def problem_with_setting(environment: Mapping[str, str]) -> str | None:
    """In one line, what cannot be used of what is set, and what to set instead."""
    context = CONTEXT_TOKENS.read(environment)
    if context is not None and not _is_context(context):
        return f"{CONTEXT_TOKENS.name} is {context!r}; set a number of tokens of {LEAST_CONTEXT_TOKENS} or more"
    said = MEMORY_GB.read(environment)
    try:
        if said is None or 0 < float(said) < 1e6:
            return None
    except ValueError:
        pass
    return f"{MEMORY_GB.name} is {said!r}; set gigabytes, such as 6.5"
