"""Grade the stored answers of runs anew, with the graders of today; no model is asked.

    python -m benchmarks.regrade RUN…             rewrites grades and reasons; run.json notes the graders' version
    python -m benchmarks.regrade RUN… --dry-run   only says what would change

Every answer whose grade is another is listed. Answers of a suite that is not as it was when the run was made keep their
grades. Run it twice and the second time nothing changes.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 a run cannot be read, graded or written."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="what is done is done; run it again for the rest")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.measure.regrade import regrade, report_lines

    found = []
    for directory in options.runs:
        found.append(regrade(directory, write=not options.dry_run))
        print("\n".join(report_lines(found[-1])))
    if options.json:
        print(json.dumps([{"run": each.run_id, "graded": each.graded, "changed": len(each.changes)} for each in found]))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.regrade", __doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run's directory")
    parser.add_argument("--dry-run", action="store_true", help="say what would change, and change nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON value as the last line of stdout")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
