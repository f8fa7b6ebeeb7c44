"""What changes a token's logits besides the text before it: how its prompt was split, and what it is decoded beside.

    .venv/bin/python scripts/batch_kernels.py MODEL.gguf
    .venv/bin/python scripts/batch_kernels.py MODEL.gguf --price

Prints the largest difference of any logit, 0 where they agree to the bit. Engine's rule of what prompts may share
(`benchmarks.engine.native.slots.shareable`) rests on it; --price times prompts of `core`, many at once, with the rule
and with all sharing that the text allows, in turns.
"""

import os
import sys
import time
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


def price(path: Path, *, prompts: int = 96, rounds: int = 3) -> None:
    """Seconds for the same prompts, and how many answers differ, with the rule and without."""
    from benchmarks.engine.ask import ask_all
    from benchmarks.engine.contract import Request, Sampling
    from benchmarks.engine.native import engine as native
    from benchmarks.engine.native.slots import Slot, common_prefix, shareable
    from data.suites.prompts import balanced, load_suite

    def all_of_it(known: Slot, prompt: list[int], chunk: int) -> int:
        return min(common_prefix(known.tokens, prompt), len(prompt) - 1)

    asked = balanced(load_suite("core").prompts, prompts, ())
    requests = [Request(messages=each.messages, sampling=Sampling(max_tokens=48)) for each in asked]
    took: dict[str, list[float]] = {"with the rule": [], "without": []}
    texts: dict[str, list[str]] = {}
    for _ in range(rounds):
        for name, rule in (("with the rule", shareable), ("without", all_of_it)):
            setattr(native, "shareable", rule)  # noqa: B010
            engine = native.LlamaEngine(path, LoadOptions(context_tokens=1024, sequences=16, bulk=True))
            started = time.perf_counter()
            texts[name] = [end.text for end in ask_all(engine, requests, at_once=16)]
            took[name].append(time.perf_counter() - started)
            engine.close()
    for name, seconds in took.items():
        print(f"{name}: {sorted(seconds)[len(seconds) // 2]:.1f} s for {len(requests)} prompts (of {rounds} rounds)")
    differ = sum(a != b for a, b in zip(texts["with the rule"], texts["without"], strict=True))
    print(f"answers that differ: {differ} of {len(requests)}")


def main() -> None:
    if "--price" in sys.argv:
        price(Path(sys.argv[1]))
        return
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
