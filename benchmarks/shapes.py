"""Write a GGUF with the exact tensor shapes of Llama-3.2-1B or 3B and random weights.

    python -m benchmarks.shapes 1b|3b OUT.gguf [--quant q4_k_m] [--seed 0]

Speed and memory on a CPU depend on shapes and quantization, not on the weights' values, so anyone can repeat the
speed claims about Llama-3.2 without downloading it. Its text is noise, so nothing about quality follows from it.

The tokenizer and chat template are the embedded model's, padded with made-up words to Llama's 128,256 tokens.
`tiny` is a two-layer shape for tests. The same seed gives the same bytes.
"""

import argparse
import sys
from pathlib import Path

from data.command import parser_of, run_command
from data.errors import ModelError
from data.gguf.shapes import SHAPES, write_shape
from data.gguf.types import QUANTIZATIONS
from data.progress import StatusLine


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of("benchmarks.shapes", __doc__)
    parser.add_argument("shape", choices=list(SHAPES))
    parser.add_argument("out", type=Path, metavar="OUT.gguf")
    parser.add_argument("--quant", default="q4_k_m", choices=sorted(QUANTIZATIONS), help="default: q4_k_m")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights; default: 0")
    parser.add_argument("--tokenizer", type=Path, metavar="GGUF", help="default: the embedded model, fetched if needed")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _run(options: argparse.Namespace) -> int:
    if not options.out.parent.is_dir():
        raise ModelError(f"{options.out.parent}: no such directory")
    line = StatusLine(stream=sys.stderr)
    write_shape(
        SHAPES[options.shape],
        options.out,
        options.tokenizer or _embedded_model(),
        name=options.shape,
        quantization=options.quant,
        seed=options.seed,
        on_progress=lambda stage, share: line.show(f"{stage} {share:.0%}", at_once=share >= 1),
    )
    line.end()
    print(f"{options.out} {options.out.stat().st_size:,} bytes")
    return 0


def _embedded_model() -> Path:
    from data.models.fetch import locate

    return locate("smollm2-135m")


if __name__ == "__main__":
    sys.exit(main())
