"""Compare the models of one run with each other, or two runs with one another.

    python -m benchmarks.compare RUN --base smollm2-135m          who answered more of the same prompts right
    python -m benchmarks.compare RUN_A RUN_B                      what changed from A to B, in quality and in speed

With one run: for each suite and each other model, the difference in share correct with its 95% interval, the prompts
that only one of the two got right, and the exact McNemar p-value, adjusted for all rows (Holm). With `--margin 5`,
"non-inferior" means that the interval's low end (one-sided 97.5%) is above -5 points. Prompts are the unit: both models
saw the same ones, and those that share a template are resampled together. Below stands who is right more often within
the time that one has, from the rates that this run, or those of --speeds, measured alone on one machine.

With two: the models that both have, on what both asked; --models A B, or runs of one model each, compare those two.
The exit status is 3 where B is significantly worse than A in anything, after Holm's adjustment.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.command import parser_of, run_command

if TYPE_CHECKING:
    from benchmarks.runs.read import Run

REGRESSION = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 no regression, 1 a run cannot be read or compared, 3 a significant regression."""
    options = _parse(arguments)
    return run_command(lambda: _compare(options), interrupted="nothing was written")


def _compare(options: argparse.Namespace) -> int:
    from benchmarks.analysis.names import renamed
    from benchmarks.runs.read import read_run
    from data.models.registry import load_registry

    runs = renamed([read_run(directory) for directory in options.runs], load_registry())
    return _two(runs[0], runs[1], options) if len(runs) == 2 else _one(runs[0], options)


def _one(run: "Run", options: argparse.Namespace) -> int:
    from benchmarks.analysis.comparisons import compare, comparison_json, table
    from benchmarks.analysis.within_text import within_lines
    from benchmarks.runs.read import read_run

    comparisons = compare(run, options.base, by_kind=options.by_kind)
    timed = [read_run(directory) for directory in options.speeds]
    print(f"base: {options.base}\n")
    print(table(comparisons, None if options.margin is None else options.margin / 100))
    print("\n".join(["", *within_lines(run, options.base, timed)]))
    if options.json:
        print(json.dumps([comparison_json(each) for each in comparisons]))
    return 0


def _two(a: "Run", b: "Run", options: argparse.Namespace) -> int:
    from benchmarks.analysis.changes import changes_json, compare_runs, report_lines

    models = tuple(options.models) if options.models else None
    found = compare_runs(a, b, suite=options.suite, models=models)
    print("\n".join(report_lines(found)))
    if options.json:
        print(json.dumps(changes_json(found), allow_nan=False))
    return REGRESSION if found.regressions else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.compare", __doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="one run's directory, or two")
    parser.add_argument("--base", metavar="ID", help="with one run: the model that the others are compared with")
    parser.add_argument("--by-kind", action="store_true", help="with one run: each kind of prompt by itself, too")
    parser.add_argument("--margin", type=float, metavar="POINTS", help="of non-inferiority, such as 5")
    parser.add_argument(
        "--speeds",
        type=Path,
        nargs="+",
        default=[],
        metavar="RUN",
        help="with one run: runs that timed its models alone, for what is right within a time",
    )
    parser.add_argument("--suite", metavar="NAME", help="with two runs: this suite alone")
    parser.add_argument(
        "--models", nargs=2, metavar=("A", "B"), help="with two runs: A's model and B's, such as base and fine-tune"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON value as the last line of stdout")
    options = parser.parse_args(arguments)
    if len(options.runs) > 2:
        parser.error(f"{len(options.runs)} runs; give one with --base, or two")
    if len(options.runs) == 1 and not options.base:
        parser.error("one run needs --base ID; two runs are compared without")
    return options


if __name__ == "__main__":
    sys.exit(main())
