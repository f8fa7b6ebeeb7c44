"""How many graded answers an hour a quality pass makes, against the same prompts one at a time.

    python -m benchmarks.answers_per_hour MODEL… [--sequences 8] [--against-llama-batched-bench PATH] [--json]

MODEL is a registry id or the path of a GGUF. Both sides get the same prompts of a suite, others in each round, and
write replies of exactly 128 tokens: ours several at once, llama-cpp-python's `Llama.create_chat_completion` one after
another. Both find in their cache what they read before, such as the template's system turn: the reference in the prompt
before, ours in any sequence. They take turns: one, the other, then the reverse. With `--against-llama-batched-bench`,
llama.cpp's own tool follows each of our passes: as many sequences at once, with prompts as long as what ours had to
read on average; the ratio is of written tokens per second, reading the prompts included.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data.command import parser_of, positive, run_command, say


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was measured")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.engine.machine import usable_threads
    from benchmarks.measure.answers_per_hour import different_prompts, measure, table
    from data.models.fetch import locate
    from data.suites.prompts import load_suite

    rounds = different_prompts(load_suite(options.suite), options.prompts, options.repetitions)
    results = [
        measure(
            model,
            locate(model),
            rounds,
            sequences=options.sequences,
            threads=options.threads or usable_threads(),
            tool=options.against_llama_batched_bench,
            report=say,
        )
        for model in options.models
    ]
    print(table(results))
    if options.json:
        print(json.dumps({"models": [asdict(result) for result in results]}))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.answers_per_hour", __doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="registry id or path of a GGUF")
    parser.add_argument("--suite", default="core", help="default: core")
    parser.add_argument("--prompts", type=positive, default=16, help="in turn from the suite's kinds (default: 16)")
    parser.add_argument("--sequences", type=positive, default=8, help="prompts at once (default: 8)")
    parser.add_argument("--repetitions", type=positive, default=3, help="default: 3")
    parser.add_argument("--threads", type=positive, help="default: what this process may use")
    parser.add_argument(
        "--against-llama-batched-bench", type=Path, metavar="PATH", help="of the same build: make llama-bench"
    )
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    options = parser.parse_args(arguments)
    tool = options.against_llama_batched_bench
    if tool and not tool.is_file():
        parser.error(f"--against-llama-batched-bench: {tool} does not exist; make it with `make llama-bench`")
    return options


if __name__ == "__main__":
    sys.exit(main())
