"""Paired comparison of a run's models: who answered more of the same prompts right, and by how much.

    python -m benchmarks.compare results/embedded-20261124-051815 --base smollm2-135m

For each suite and each other model: the difference in share correct with its 95% interval, the prompts that only one of
the two got right, and the exact McNemar p-value. With `--margin 5`, "non-inferior" means that the interval's low end
(one-sided 97.5%) is above -5 points. Prompts are the unit: both models saw the same ones.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.runs import Row, Run, RunError, read_run
from benchmarks.stats import mcnemar_exact, paired_difference


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One model against another on one suite, under one condition.

    Attributes:
        slice: A kind of prompt, or "all".
        prompts: Graded for both models; others are left out, and counted in `left_out`.
        difference, low, high: Share correct of `model` less that of `base`, with its 95% interval.
        base_only, model_only: Prompts that one of them alone got right.
        p_value: Exact McNemar.
    """

    base: str
    model: str
    suite: str
    condition: str
    slice: str
    prompts: int
    left_out: int
    base_share: float
    model_share: float
    difference: float
    low: float
    high: float
    base_only: int
    model_only: int
    p_value: float


def compare(run: Run, base: str, *, by_kind: bool = False) -> list[Comparison]:
    """Every other model of a run against `base`, by condition and suite.

    Args:
        by_kind: Also each kind of prompt by itself.

    Raises:
        RunError: The base is not in the run, or is alone in it.
    """
    models = list(dict.fromkeys(row.model for row in run.rows))
    if base not in models:
        raise RunError(f"{run.id} has no model {base!r}; it has {', '.join(models) or 'no rows yet'}")
    if len(models) < 2:
        raise RunError(f"{run.id} has one model only; a comparison needs two")
    found = []
    slices = dict.fromkeys((row.condition, row.suite) for row in run.rows if row.grade is not None)
    for condition, suite in slices:
        rows = [row for row in run.rows if (row.condition, row.suite) == (condition, suite)]
        kinds = list(dict.fromkeys(row.kind for row in rows)) if by_kind else []
        for model in models:
            if model != base:
                found += [_compare(rows, base, model, kind) for kind in ("all", *kinds)]
    return [comparison for comparison in found if comparison is not None]


def _compare(rows: Sequence[Row], base: str, model: str, kind: str) -> Comparison | None:
    mine = [row for row in rows if kind in ("all", row.kind)]
    before, after = _scores(mine, base), _scores(mine, model)
    prompts = [prompt for prompt in before if prompt in after]
    if len(prompts) < 2:
        return None
    left = np.array([before[prompt] for prompt in prompts])
    right = np.array([after[prompt] for prompt in prompts])
    seed = np.random.default_rng(len(prompts))
    interval = paired_difference(left, right, rng=seed)
    base_only, model_only = int(((left >= 1) & (right < 1)).sum()), int(((right >= 1) & (left < 1)).sum())
    return Comparison(
        base=base,
        model=model,
        suite=mine[0].suite,
        condition=mine[0].condition,
        slice=kind,
        prompts=len(prompts),
        left_out=len({row.prompt_id for row in mine if row.model in (base, model)}) - len(prompts),
        base_share=float(left.mean()),
        model_share=float(right.mean()),
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        base_only=base_only,
        model_only=model_only,
        p_value=mcnemar_exact(base_only, model_only),
    )


def _scores(rows: Iterable[Row], model: str) -> dict[str, float]:
    """Mean grade by prompt, over repetitions; ungraded answers and failed samples are left out."""
    grades: dict[str, list[float]] = {}
    for row in rows:
        if row.model == model and row.grade is not None and row.error is None:
            grades.setdefault(row.prompt_id, []).append(row.grade)
    return {prompt: sum(values) / len(values) for prompt, values in grades.items()}


def table(comparisons: Sequence[Comparison], margin: float | None = None) -> str:
    """The comparisons as a Markdown table; `margin` in share of prompts."""
    head = ["suite", "slice", "model", "base", "model ", "difference, points [95%]", "only base", "only model", "p"]
    head += ["non-inferior"] if margin is not None else []
    rows = []
    for each in comparisons:
        cells = [
            each.suite,
            each.slice,
            each.model,
            f"{each.base_share:.1%}",
            f"{each.model_share:.1%}",
            f"{100 * each.difference:+.1f} [{100 * each.low:+.1f}, {100 * each.high:+.1f}]",
            str(each.base_only),
            str(each.model_only),
            f"{each.p_value:.2g}",
        ]
        cells += ["yes" if each.low > -margin else "no"] if margin is not None else []
        rows.append(cells)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's directory")
    parser.add_argument("--base", required=True, metavar="ID", help="the model that the others are compared with")
    parser.add_argument("--by-kind", action="store_true", help="each kind of prompt by itself, too")
    parser.add_argument("--margin", type=float, metavar="POINTS", help="of non-inferiority, such as 5")
    parser.add_argument("--json", action="store_true", help="print one JSON array as the last line of stdout")
    options = parser.parse_args(arguments)
    try:
        comparisons = compare(read_run(options.run), options.base, by_kind=options.by_kind)
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"base: {options.base}; condition: {', '.join(dict.fromkeys(each.condition for each in comparisons))}\n")
    print(table(comparisons, None if options.margin is None else options.margin / 100))
    if options.json:
        print(json.dumps([asdict(each) for each in comparisons]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
