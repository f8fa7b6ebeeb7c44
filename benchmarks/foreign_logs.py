"""Logs of lm-evaluation-harness and of Inspect as a run of ours, and the verdict that neither of them gives.

    python -m benchmarks.foreign_logs FILE… [--base MODEL] [--metric NAME]

FILE is lm-eval's samples_TASK_DATE.jsonl (--log_samples) or Inspect's .eval; NAME=FILE gives its model another name.
For each task and each other model: the difference to the base (of the first file) with its 95% interval, the questions
that only one of the two got right, the exact McNemar p-value, adjusted for all rows (Holm), and the difference that
could have been seen in 80% of cases. Questions are paired by their ids; lm-eval's must have the same content, too.
The run is kept, for benchmarks.report, benchmarks.compare and the Results page.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from data.command import parser_of, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 a log cannot be read or compared."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was compared")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.foreign_logs", __doc__)
    parser.add_argument("files", nargs="+", metavar="FILE", help="samples_*.jsonl or .eval; or NAME=FILE")
    parser.add_argument("--base", metavar="MODEL", help="what the others are compared with (default: the first file's)")
    parser.add_argument("--metric", metavar="NAME", help="the score that is taken (default: the first of each task)")
    parser.add_argument("--filter", metavar="NAME", help="of lm-eval's filters (default: the first)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="of the run (default: results/foreign-DATE)")
    parser.add_argument("--json", action="store_true", help="print one JSON value as the last line of stdout")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    from benchmarks.analysis.comparisons import compare, comparison_json, table
    from benchmarks.foreign.as_run import read_log, write_run
    from data.paths import results_directories

    logs = [read_log(each, metric=options.metric, wanted_filter=options.filter) for each in options.files]
    out = options.out or results_directories()[-1] / f"foreign-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    run = write_run(logs, out)
    print(f"{len(run.rows):,} answers of {len(run.by_model)} models in {out}")
    if len(run.by_model) == 1:
        print("a comparison needs the logs of another model, too")
        return 0
    found = compare(run, options.base or logs[0].model)
    print(f"\n{table(found)}")
    if options.json:
        print(json.dumps([comparison_json(each) for each in found], allow_nan=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
