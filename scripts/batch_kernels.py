"""What changes a token's logits besides the text before it: how its prompt was split, and what it is decoded beside.

    .venv/bin/python scripts/batch_kernels.py MODEL.gguf

Prints the largest difference of any logit, 0 where they agree to the bit. Engine's rule of what prompts may share
(`benchmarks.engine.native.slots.shareable`) rests on it.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data.llama_library import library_dir

os.environ.setdefault("LLAMA_CPP_LIB_PATH", str(library_dir()))

import numpy as np

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.native.binding import NativeModel

PROMPT_TOKENS, BESIDE, CHUNK = 300, 40, 512


def tokens(count: int, seed: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(100, 30_000, count)]


def read(model: NativeModel, sequence: int, text: list[int], ends: list[int]) -> "np.ndarray":
    """Logits after the text, read in chunks that end there."""
    model.forget(sequence, 0)
    start = last = 0
    for end in [*ends, len(text)]:
        chunk = text[start:end]
        model.decode(chunk, range(start, end), [sequence] * len(chunk), [False] * (len(chunk) - 1) + [True])
        start, last = end, len(chunk) - 1
    return model.logits(last).copy()


def decode_beside(model: NativeModel, lengths: list[int], own: int) -> "np.ndarray":
    """Logits of one token after `own` others, decoded in one step with a token of each neighbour."""
    for sequence, length in enumerate([own, *lengths]):
        read(model, sequence, tokens(length, sequence), list(range(CHUNK, length, CHUNK)))
    count = len(lengths) + 1
    model.decode(tokens(count, 99), [own, *lengths], range(count), [True] * count)
    return model.logits(0).copy()


def main() -> None:
    model = NativeModel(Path(sys.argv[1]), LoadOptions(context_tokens=2048, sequences=32), threads=2)
    text = tokens(PROMPT_TOKENS, 1)
    whole = read(model, 0, text, [])
    for end in (10, 63, 64, 150, 152, 236, 237, 290, 299):
        print(f"read as {end} + {PROMPT_TOKENS - end}: {np.abs(whole - read(model, 0, text, [end])).max():.2g}")
    for own in (BESIDE, 700):
        alone = decode_beside(model, [], own)
        for beside in ([BESIDE] * 3, [BESIDE] * 7, [BESIDE] * 31, [1500] * 3, [1500] * 7):
            found = np.abs(alone - decode_beside(model, beside, own)).max()
            print(f"after {own}, decoded beside {len(beside)} of {beside[0]} tokens: {found:.2g}")
    model.close()


if __name__ == "__main__":
    main()
