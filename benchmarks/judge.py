"""Let a model judge which of two others answered better, prompt by prompt: an option where no grader can tell.

    python -m benchmarks.judge RUN MODEL_A MODEL_B --judge ID [--suite NAME] [--limit N]

The judge sees every pair in both orders. Where it prefers another answer when the order changes, the pair is a tie, and
the share of pairs on which it kept its mind is reported: a judge that decides by position shows there. A reply that
names no answer is ungradable, never a tie. The judge is never one of the models judged.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data.command import parser_of, positive, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run, the suite or the judge is not as it must be."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was kept")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.measure.judge import judge_by_model
    from benchmarks.statistics.preference import report_text

    found = judge_by_model(
        options.run,
        options.a,
        options.b,
        judge=options.judge,
        engine=options.engine,
        suite=options.suite,
        limit=options.limit,
    )
    print(report_text(found))
    if options.json:
        print(json.dumps(asdict(found), allow_nan=False))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.judge", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run with both models' answers")
    parser.add_argument("a", metavar="MODEL_A")
    parser.add_argument("b", metavar="MODEL_B")
    parser.add_argument("--judge", required=True, metavar="ID", help="the model that judges, neither of the two")
    parser.add_argument("--engine", default="llama_cpp", choices=("llama_cpp", "scripted"), help="of the judge")
    parser.add_argument("--suite", metavar="NAME", help="this suite alone (default: all of the run's)")
    parser.add_argument("--limit", type=positive, default=0, metavar="N", help="so many prompts (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
