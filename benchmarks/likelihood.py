"""Multiple choice by log-likelihood: nothing is written, the likeliest choice is the answer.

    python -m benchmarks.likelihood SUITE MODEL… [--limit N]

SUITE is arc_challenge, hellaswag or mmlu (from the Hub, through `datasets`), one of them with its rows in a file, such
as mmlu:rows.jsonl, or a file of one's own, a line a question: {"beginning": "…", "choices": ["…", "…"], "right": 0}.
Questions are worded and scored as lm-evaluation-harness does, without examples and without a chat template: by the sum
of a choice's log-probabilities (`acc`), and in a second run by that sum over the choice's bytes (`acc_bytes`). What
questions begin with alike is computed once, and all choices of one in one batch. Both runs are kept; the same command
with --out goes on with them.
With several models, the first is compared with each of the others.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data.command import parser_of, positive, run_command, say

if TYPE_CHECKING:
    from benchmarks.runs.read import Run
    from benchmarks.statistics.stats import Interval


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 something cannot be used, 130 interrupted."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="the same command with this --out goes on")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.likelihood", __doc__)
    parser.add_argument("suite", metavar="SUITE", help="arc_challenge, hellaswag, mmlu, or a .jsonl file")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="registry id, or path of a GGUF")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N questions (default: all)")
    parser.add_argument("--threads", type=positive, help="default: what this process may use")
    parser.add_argument("--context", type=positive, default=2048, metavar="TOKENS", help="default: 2048")
    parser.add_argument("--out", type=Path, metavar="DIR", help="of the first run (default: results/likelihood-DATE)")
    parser.add_argument("--json", action="store_true", help="print one JSON value as the last line of stdout")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    from benchmarks.config import Config
    from benchmarks.measure.likelihood import measure_likelihood
    from benchmarks.measure.models import find_models
    from benchmarks.runs.read import read_run
    from data.paths import results_directories
    from data.suites.multiple_choice import load_choices

    suite = load_choices(options.suite)
    config = Config(
        name="likelihood",
        models=tuple(options.models),
        suites=(suite.name,),
        limit=options.limit or 0,
        conditions=("batched",),
        threads=options.threads or 0,
        context_tokens=options.context,
    )
    models = find_models(config, say)
    out = options.out or results_directories()[-1] / f"likelihood-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    say(f"the runs are {out} and the same per byte")
    started = time.monotonic()
    directories = measure_likelihood(config, suite, models, out, sys.stderr)
    asked = len(models) * min(len(suite.questions), options.limit or len(suite.questions))
    say(f"{60 * asked / (time.monotonic() - started):,.0f} questions a minute, loading included")
    return _report([read_run(each) for each in directories], as_json=options.json)


def _report(runs: "Sequence[Run]", *, as_json: bool) -> int:
    from benchmarks.analysis.comparisons import compare, comparison_json, table
    from data.tables import aligned

    found = [share for run in runs for share in _shares(run)]
    head = ("model", "suite", "right", "of", "95%")
    cells = [
        (*each, f"{share.estimate:.1%}", str(share.n), f"{share.low:.1%} – {share.high:.1%}") for *each, share in found
    ]
    print(aligned([head, *cells]))
    compared = [each for run in runs if len(run.by_model) > 1 for each in compare(run, next(iter(run.by_model)))]
    if compared:
        print(f"\n{table(compared)}")
    errors = {row.model: row.error for run in runs for row in run.rows if row.error}
    for model, error in errors.items():
        say(f"{model}: {error}")
    if as_json:
        shares = [{"model": model, "suite": suite, **vars(share)} for model, suite, share in found]
        told = {"runs": [str(run.directory) for run in runs], "shares": shares}
        print(json.dumps({**told, "compared": [comparison_json(each) for each in compared]}, allow_nan=False))
    return 1 if errors else 0


def _shares(run: "Run") -> "list[tuple[str, str, Interval]]":
    from benchmarks.statistics.stats import wilson

    grades: dict[tuple[str, str], list[float]] = {}
    for row in run.rows:
        if row.grade is not None:
            grades.setdefault((row.model, row.suite), []).append(row.grade)
    return [(*key, wilson(round(sum(values)), len(values))) for key, values in grades.items()]


if __name__ == "__main__":
    sys.exit(main())
