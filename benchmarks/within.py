"""Check a run's "right within T seconds" against asking again with a deadline.

    python -m benchmarks.within RUN MODEL [--seconds 2 5 15] [--prompts 40] [--speeds RUN]

MODEL is one of the run's, and its file is on this machine. So many of its graded prompts, drawn with the seed, are
asked one at a time, and the engine stops at each T. Printed is on how many prompts the prediction (grade, token counts
and the rates that the run, or those of --speeds, measured here) and the measurement agree, and all others.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, positive, run_command, say


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was kept")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.analysis.within import answers_in
    from benchmarks.engine.contract import LoadOptions
    from benchmarks.engine.worker_engine import WorkerEngine
    from benchmarks.measure.within import Told, agreement_table, ask_in_time, disagreement_lines
    from benchmarks.runs.read import read_run
    from data.models.fetch import locate
    from data.suites.prompts import load_suite

    run = read_run(options.run)
    answers = answers_in(run, options.model, [read_run(directory) for directory in options.speeds])
    prompts = {(suite, each.id): each for suite in run.manifest["suites"] for each in load_suite(suite).prompts}
    told = [
        Told(prompt=prompts[suite, prompt], seconds=float(seconds), right=bool(right))
        for (suite, prompt, _), seconds, right in zip(answers.keys, answers.seconds, answers.right, strict=True)
        if (suite, prompt) in prompts
    ]
    told = random.Random(options.seed).sample(told, min(options.prompts, len(told)))
    context = run.manifest["config"]["context_tokens"]
    engine = WorkerEngine(locate(options.model), LoadOptions(context_tokens=context))
    try:
        found = ask_in_time(engine, told, sorted(options.seconds), report=say)
    finally:
        engine.close()
    print(agreement_table(found))
    print("\n".join(disagreement_lines(found)))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.within", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's directory")
    parser.add_argument("model", metavar="MODEL", help="one of the run's")
    parser.add_argument("--seconds", type=float, nargs="+", default=[2.0, 5.0, 15.0], metavar="T", help="2 5 15")
    parser.add_argument("--prompts", type=positive, default=40, help="default: 40")
    parser.add_argument("--seed", type=int, default=3407, help="of the draw (default: 3407)")
    parser.add_argument("--speeds", type=Path, nargs="+", default=[], metavar="RUN", help="runs that timed it alone")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
