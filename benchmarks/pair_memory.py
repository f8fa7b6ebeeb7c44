"""Two models in one process as in the app, both writing at once: the peak memory, and each one's own decode rate.

    python -m benchmarks.pair_memory llama-1b-shape.gguf llama-3b-shape.gguf [--tokens 128]

Opened with the app's context and number of conversations, in one worker process. The last line is JSON.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, positive, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was measured")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.engine.contract import LoadOptions
    from benchmarks.engine.worker import Worker
    from benchmarks.measure.pair_memory import measure

    load = LoadOptions(context_tokens=options.context, sequences=options.sequences, prefill_chunk_tokens=128)
    worker = Worker()
    try:
        print(json.dumps(measure(worker, options.models, load, tokens=options.tokens, engine=options.engine)))
    finally:
        worker.close()
    return 0


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
