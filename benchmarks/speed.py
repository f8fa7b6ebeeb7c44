"""Prefill and decode rates of GGUF files, and the same of llama-bench beside them.

    python -m benchmarks.speed MODEL… [--against-llama-bench PATH] [--json]

MODEL is a registry id or the path of a GGUF. Prefill reads 512 tokens into an empty cache and is bound by compute;
decode writes 128 tokens one by one and is bound by memory bandwidth: each token reads every weight once. Shapes and
warm-up are llama-bench's (pp512, tg128), so the figures compare. Both sides use one build, one thread count and one
environment, and take turns: one, the other, then the reverse, so that a machine that slows down slows both.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data.command import parser_of, positive, run_command, say


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was measured")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.engine.machine import usable_threads
    from benchmarks.measure.speed import measure, table
    from data.models.fetch import locate

    results = []
    for model in options.models:
        path = locate(model)
        for huge_pages in (True, False) if options.huge_pages == "both" else (options.huge_pages == "on",):
            result = measure(
                model,
                path,
                threads=options.threads or usable_threads(),
                repetitions=options.repetitions,
                huge_pages=huge_pages,
                llama_bench=options.against_llama_bench,
                report=say,
            )
            results.append(result)
    print(table(results))
    if options.json:
        first = results[0]
        ratio = first.decode_ratio_to_llama_bench
        print(json.dumps({"decode_ratio_to_llama_bench": ratio, "models": [asdict(result) for result in results]}))
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.speed", __doc__)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="registry id or path of a GGUF")
    parser.add_argument(
        "--against-llama-bench", type=Path, metavar="PATH", help="llama-bench of the same build: make llama-bench"
    )
    parser.add_argument("--repetitions", type=positive, default=5, help="default: 5")
    parser.add_argument("--threads", type=positive, help="default: what this process may use")
    parser.add_argument(
        "--huge-pages", choices=("on", "off", "both"), default="on", help="for both sides alike (default: on)"
    )
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    options = parser.parse_args(arguments)
    if options.against_llama_bench and not options.against_llama_bench.is_file():
        parser.error(
            f"--against-llama-bench: {options.against_llama_bench} does not exist; make it with `make llama-bench`"
        )
    return options


if __name__ == "__main__":
    sys.exit(main())
