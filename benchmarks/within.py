"""Check a run's "right within T seconds" against asking again with a deadline.

    python -m benchmarks.within RUN MODEL [--seconds 2 5 15] [--prompts 40] [--speeds RUN]

MODEL is one of the run's, and its file is on this machine. So many of its graded prompts, drawn with the seed, are
asked one at a time, and the engine stops at each T. Printed is on how many prompts the prediction (grade, token counts
and the rates that the run, or those of --speeds, measured here) and the measurement agree, and all others.
"""

import argparse
import dataclasses
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
    from benchmarks.config import config_of
    from benchmarks.engine.contract import LoadOptions
    from benchmarks.engine.worker_engine import WorkerEngine
    from benchmarks.measure.manifest import new_manifest
    from benchmarks.measure.within import Told, agreement_table, ask_in_time, disagreement_lines
    from benchmarks.runs.read import RunError, read_run
    from data.files import model_sha256
    from data.models.fetch import locate
    from data.suites.prompts import load_suite

    run = read_run(options.run)
    config = config_of(run)
    speeds = [read_run(directory) for directory in options.speeds]
    answers = answers_in(run, options.model, speeds)
    timed = config_of(next(each for each in (*speeds, run) if each.machine == answers.machine))
    here = dataclasses.replace(run, manifest=new_manifest("", timed, ())).machine
    if answers.machine != here:
        raise RunError(f"{options.model} was timed on {answers.machine}, this is {here}: time it here, then --speeds")
    suites = [load_suite(name) for name in config.suites]
    prompts = {(suite.name, each.id): each for suite in suites for each in suite.prompts}
    told = [
        Told(prompt=prompts[suite, prompt], seconds=float(seconds), right=bool(right))
        for (suite, prompt, _), seconds, right in zip(answers.keys, answers.seconds, answers.right, strict=True)
        if (suite, prompt) in prompts
    ]
    if not told:
        raise RunError(f"{run.id}: none of its prompts is in its suites any more")
    told = random.Random(options.seed).sample(told, min(options.prompts, len(told)))
    path = locate(options.model)
    if model_sha256(path) != run.by_model[options.model][0].model_sha256:
        raise RunError(f"{options.model}: its file here is another than the run's")
    load = LoadOptions(context_tokens=config.context_tokens, threads=timed.threads or None)
    engine = WorkerEngine(path, load, engine=config.engine)
    try:
        found = ask_in_time(engine, told, sorted(options.seconds), config, report=say)
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
