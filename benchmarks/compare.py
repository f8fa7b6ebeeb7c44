"""Compare the models of one run with each other, or two runs with one another.

    python -m benchmarks.compare RUN --base smollm2-135m          who answered more of the same prompts right
    python -m benchmarks.compare RUN_A RUN_B                      what changed from A to B, in quality and in speed

With one run: for each suite and each other model, the difference in share correct with its 95% interval, the prompts
that only one of the two got right, and the exact McNemar p-value, adjusted for all rows (Holm). With `--margin 5`,
"non-inferior" means that the interval's low end (one-sided 97.5%) is above -5 points. Prompts are the unit: both models
saw the same ones, and those that share a template are resampled together.

With two: the models that both runs have, on what both asked; a run with one model each compares those two. The exit
status is 3 where B is significantly worse than A in anything, after Holm's adjustment.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.runs.read import Run, RunError, read_run
from benchmarks.statistics.pairs import PairComparison, compare_pair
from benchmarks.statistics.stats import holm
from data.command import parser_of, run_command

REGRESSION = 3


def compare(run: Run, base: str, *, by_kind: bool = False) -> list[PairComparison]:
    """Every other model of a run against `base`, by condition and suite; the difference is the model's less the base's.

    Args:
        by_kind: Also each kind of prompt by itself.

    Raises:
        RunError: The base is not in the run, or is alone in it.
    """
    models = list(run.by_model)
    if base not in models:
        raise RunError(f"{run.id} has no model {base!r}; it has {', '.join(models) or 'no rows yet'}")
    if len(models) < 2:
        raise RunError(f"{run.id} has one model only; a comparison needs two")
    found = []
    slices: dict[tuple[str, str], dict[str, None]] = {}
    for row in run.rows:
        if row.grade is not None:
            slices.setdefault((row.condition, row.suite), {})[row.kind] = None
    for (condition, suite), kinds in slices.items():
        for model in models:
            for kept in ((), *((kind,) for kind in kinds if by_kind)):
                if model != base:
                    found.append(_pair(run, model, base, condition, suite, kept))
    return [comparison for comparison in found if comparison is not None]


def _pair(run: Run, model: str, base: str, condition: str, suite: str, kinds: tuple[str, ...]) -> PairComparison | None:
    try:
        return compare_pair(run, model, base, suite=suite, kinds=kinds, condition=condition)
    except RunError:  # fewer than two prompts of this slice are graded for both
        return None


def table(comparisons: Sequence[PairComparison], margin: float | None = None) -> str:
    """The comparisons as a Markdown table; `margin` in share of prompts."""
    head = ["condition", "suite", "slice", "model", "base", "model ", "difference, points [95%]"]
    head += ["only base", "only model", "p", "p (Holm)", "detectable"]
    head += ["non-inferior"] if margin is not None else []
    adjusted = holm([each.p_value for each in comparisons])
    rows = [_cells(each, p_value, margin) for each, p_value in zip(comparisons, adjusted, strict=True)]
    return markdown([head, *rows])


def _cells(each: PairComparison, adjusted: float, margin: float | None) -> list[str]:
    return [
        each.condition,
        each.suite or "all",
        ", ".join(each.kinds) or "all",
        each.a,
        f"{each.share_b:.1%}",
        f"{each.share_a:.1%}",
        f"{100 * each.difference:+.1f} [{100 * each.low:+.1f}, {100 * each.high:+.1f}]",
        str(each.only_b),
        str(each.only_a),
        f"{each.p_value:.2g}",
        f"{adjusted:.2g}",
        "–" if each.detectable is None else f"{100 * each.detectable:.1f}",
        *([] if margin is None else ["yes" if each.low > -margin else "no"]),
    ]


def markdown(lines: Sequence[Sequence[str]]) -> str:
    """A table whose first line is its head."""
    head, *rows = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


def comparison_json(each: PairComparison) -> dict[str, Any]:
    """A comparison with what follows from it, for JSON."""
    return {**asdict(each), "detectable": each.detectable, "separable": each.separable}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 no regression, 1 a run cannot be read or compared, 3 a significant regression."""
    options = _parse(arguments)
    return run_command(lambda: _compare(options), interrupted="nothing was written")


def _compare(options: argparse.Namespace) -> int:
    runs = [read_run(directory) for directory in options.runs]
    return _two(runs[0], runs[1], options) if len(runs) == 2 else _one(runs[0], options)


def _one(run: Run, options: argparse.Namespace) -> int:
    comparisons = compare(run, options.base, by_kind=options.by_kind)
    if not comparisons:
        raise RunError(f"{run.id}: nothing is graded for {options.base!r} and another model; let the run finish first")
    print(f"base: {options.base}\n")
    print(table(comparisons, None if options.margin is None else options.margin / 100))
    if options.json:
        print(json.dumps([comparison_json(each) for each in comparisons]))
    return 0


def _two(a: Run, b: Run, options: argparse.Namespace) -> int:
    from benchmarks.analysis.changes import changes_json, compare_runs, report_lines

    found = compare_runs(a, b, suite=options.suite)
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
    parser.add_argument("--suite", metavar="NAME", help="with two runs: this suite alone")
    parser.add_argument("--json", action="store_true", help="print one JSON value as the last line of stdout")
    options = parser.parse_args(arguments)
    if len(options.runs) > 2:
        parser.error(f"{len(options.runs)} runs; give one with --base, or two")
    if len(options.runs) == 1 and not options.base:
        parser.error("one run needs --base ID; two runs are compared without")
    return options


if __name__ == "__main__":
    sys.exit(main())
