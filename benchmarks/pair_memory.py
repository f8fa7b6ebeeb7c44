"""Two models in one process as in the app, both writing at once: the peak memory, and each one's own decode rate.

    python -m benchmarks.pair_memory llama-1b-shape.gguf llama-3b-shape.gguf [--tokens 128]

Opened with the app's context and number of conversations, in one worker process. The last line is JSON.
"""

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine.contract import EngineError, Event, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.worker import Worker
from data.command import parser_of, positive, run_command

PROMPT_TOKENS = 64
LIMIT_S = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    load = LoadOptions(context_tokens=options.context, sequences=options.sequences, prefill_chunk_tokens=128)
    return run_command(lambda: _run(options, load), interrupted="nothing was measured")


def _run(options: argparse.Namespace, load: LoadOptions) -> int:
    worker = Worker()
    try:
        print(json.dumps(measure(worker, options.models, load, tokens=options.tokens, engine=options.engine)))
    finally:
        worker.close()
    return 0


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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.pair_memory", __doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="GGUF", help="paths of the models")
    parser.add_argument("--tokens", type=positive, default=128, help="length of each reply (default: 128)")
    parser.add_argument("--context", type=positive, default=4096, help="tokens a conversation (default: the app's)")
    parser.add_argument("--sequences", type=positive, default=4, help="conversations a model (default: the app's)")
    parser.add_argument("--engine", default="llama_cpp", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
