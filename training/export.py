"""Turn a trained adapter into the files that run on a CPU: GGUFs, and the adapter alone.

    python -m training.export runs/llama-3.2-1b-r8 [--quant q4_k_m,q8_0,f16]

The adapter is written as a small GGUF, merged into the 16-bit base in GGUF's own space, and quantized by the llama.cpp
that will run it: no git clone, no compiler, no torch model in memory. `training.verify` then proves the result.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command, say
from training.config import TrainingError
from training.run_directory import RunDirectory


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.export", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's directory, such as runs/llama-3.2-1b-r8")
    parser.add_argument("--quant", default="", metavar="LIST", help="default: the configuration's, such as q4_k_m")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="export again: it starts anew")


def _run(options: argparse.Namespace) -> int:
    from data.files import size_text
    from training.checkpoints.export import export

    for path in export(RunDirectory(path=options.run), _quantizations(options.quant)):
        print(f"{path}  {size_text(path.stat().st_size)}")
    say(f"next: python -m training.verify {options.run}")
    return 0


def _quantizations(text: str) -> list[str]:
    from data.gguf.types import QUANTIZATIONS

    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in QUANTIZATIONS:
            raise TrainingError(f"--quant: unknown {name!r}; known: {', '.join(QUANTIZATIONS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
