"""Two models in one process as in the app, both writing at once: the peak memory, and each one's own decode rate."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine.contract import EngineError, Event, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.worker import Worker

PROMPT_TOKENS = 64
LIMIT_S = 600.0


def measure(
    worker: Worker, paths: Sequence[Path], load: LoadOptions, *, tokens: int, engine: str = "llama_cpp"
) -> dict[str, Any]:
    """Load all, let all write at the same time, and read the process's peak memory.

    Raises:
        EngineError: One cannot be loaded, or a reply ends in an error.
    """
    names = [f"{place}-{path.stem}" for place, path in enumerate(paths)]
    for name, path in zip(names, paths):
        worker.load(name, path, load, engine=engine)
    loaded = worker.memory().rss_bytes
    replies = [_Reply() for _ in names]
    sampling = Sampling(max_tokens=tokens, ignore_eos=True)
    for place, (name, reply) in enumerate(zip(names, replies)):
        prompt = tuple(range(1000 + place, 1000 + place + PROMPT_TOKENS))
        worker.submit(name, Request(prompt_tokens=prompt, sampling=sampling), reply.take)
    rates = {name: reply.decode_tok_per_s() for name, reply in zip(names, replies)}
    peak = worker.memory().peak_rss_bytes
    return {"loaded_rss_mb": loaded // 10**6, "peak_rss_mb": peak // 10**6, "decode_tok_per_s": rates}


class _Reply:
    def __init__(self) -> None:
        self._ended = threading.Event()
        self._finished: Finished | None = None

    def take(self, event: Event) -> None:
        if isinstance(event, Finished):
            self._finished = event
            self._ended.set()

    def decode_tok_per_s(self) -> float | None:
        """Waits for the end."""
        if not self._ended.wait(LIMIT_S) or self._finished is None:
            raise EngineError(f"no end of the reply after {LIMIT_S:.0f} s")
        if self._finished.reason == "error":
            raise EngineError(self._finished.error or "the reply failed")
        return self._finished.timings.decode_tok_per_s
