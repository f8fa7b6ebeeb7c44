"""What the report's two scripts cost at their true shapes, on random weights: speed, memory, first steps of the loss.

    python -m training.throughput measure --out FILE.json [--only CELL,...] [--shapes DIR]
    python -m training.throughput table training/results/throughput.json

Each cell is a process of its own: the shipped configuration on a base of that shape (`benchmarks.shapes`), loaded and
trained by the code that trains real ones. Speed and memory depend on shapes, not on what the weights say; the examples
are random tokens of one length, so nothing is said about quality. Needs a GPU. A cell that fails is a row with its
error.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from data.command import parser_of, run_command
from training.config import TrainingError


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="cells that are done are in the file")


def _run(options: argparse.Namespace) -> int:
    from training.fit.cards import is_first
    from training.fit.cells import CELLS
    from training.fit.throughput import measure, measure_cell, table

    if options.command == "cell":
        measured = json.dumps(measure_cell(options.cell, options.base, options.scratch))
        if is_first():
            print(measured)
    elif options.command == "measure":
        names = options.only.split(",") if options.only else list(CELLS)
        if unknown := [name for name in names if name not in CELLS]:
            raise TrainingError(f"unknown cell {unknown[0]!r}; known: {', '.join(CELLS)}")
        print(table(measure(names, options.shapes, options.out)))
    else:
        print(table(_read(options.file)))
    return 0


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        results: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(f"{path}: not the output of `measure` ({error})") from None
    return results


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("training.throughput", __doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    all_cells = commands.add_parser("measure", help="measure cells on this machine's GPU")
    all_cells.add_argument("--out", type=Path, required=True, metavar="FILE.json")
    all_cells.add_argument("--only", default="", metavar="CELL,...", help="default: all")
    all_cells.add_argument(
        "--shapes", type=Path, default=Path("runs/shapes"), metavar="DIR", help="has 1b.gguf, 3b.gguf"
    )
    one = commands.add_parser("cell", help="one cell in this process, as JSON on the last line")
    one.add_argument("cell", metavar="CELL")
    one.add_argument("--base", required=True)
    one.add_argument("--scratch", type=Path, required=True)
    shown = commands.add_parser("table", help="a table of a file of cells")
    shown.add_argument("file", type=Path)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
