"""One sentence about two models, true to its intervals: who answers better, who is faster, and what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.analysis.figures import SPEED_CONDITION, Rates, rates_of, seconds_per_correct
from benchmarks.analysis.speed_ratio import SpeedRatio, speed_ratio
from benchmarks.runs.on_disk import newest_first
from benchmarks.runs.read import Row, Run, RunError
from benchmarks.statistics.pairs import PairComparison, compare_pair, cut_text, slice_of
from benchmarks.statistics.stats import Interval


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What can be said of `a` and `b`.

    Attributes:
        label_a, label_b: As people call them.
        quality: The paired comparison behind it.
        speed: None where no run timed both on one machine.
        s_per_correct_a, s_per_correct_b: Seconds per correct answer; None where unknown, or nothing was correct.
        run: The run that gave the quality.
        sentence: The verdict in words.
    """

    a: str
    b: str
    label_a: str
    label_b: str
    quality: PairComparison
    speed: SpeedRatio | None
    s_per_correct_a: Interval | None
    s_per_correct_b: Interval | None
    run: Run = field(repr=False)
    sentence: str


def verdict(runs: Run | Sequence[Run], a: str, b: str, *, suite: str | None = None) -> Verdict:
    """Judge two models. Quality comes from the run that graded most prompts for both, speed from one that timed them.

    Args:
        suite: As in `compare_pair`.

    Raises:
        RunError: No run has graded both, or the slice is empty.
    """
    ordered = newest_first([runs] if isinstance(runs, Run) else runs)
    run, quality = _best_comparison(ordered, a, b, suite)
    digests = [run.by_model[model][0].model_sha256 for model in (a, b)]
    speed = speed_ratio(ordered, *digests)
    seconds = [
        seconds_per_correct(rows, _rates(digest, ordered, speed))[1]
        for rows, digest in zip(_shared_rows(run, a, b, quality), digests, strict=True)
    ]
    labels = [run.label(model) for model in (a, b)]
    return Verdict(
        a=a,
        b=b,
        label_a=labels[0],
        label_b=labels[1],
        quality=quality,
        speed=speed,
        s_per_correct_a=seconds[0],
        s_per_correct_b=seconds[1],
        run=run,
        sentence=_sentence(labels[0], labels[1], quality, speed, seconds),
    )


def _best_comparison(runs: Sequence[Run], a: str, b: str, suite: str | None) -> tuple[Run, PairComparison]:
    found: list[tuple[Run, PairComparison]] = []
    refusal: RunError | None = None
    for run in runs:
        try:
            found.append((run, compare_pair(run, a, b, suite=suite)))
        except RunError as error:
            refusal = refusal or error
    if not found:
        raise refusal or RunError("no run was given")
    return max(found, key=lambda each: each[1].n)


def _shared_rows(run: Run, a: str, b: str, quality: PairComparison) -> tuple[list[Row], list[Row]]:
    """Both models' answers to the prompts that the comparison is of: those graded for both."""
    left, right = (
        [
            row
            for row in slice_of(run, model, quality.condition, suite=quality.suite, kinds=quality.kinds)
            if row.grade is not None and row.error is None
        ]
        for model in (a, b)
    )
    both = {(row.suite, row.prompt_id) for row in left} & {(row.suite, row.prompt_id) for row in right}
    return [row for row in left if (row.suite, row.prompt_id) in both], [
        row for row in right if (row.suite, row.prompt_id) in both
    ]


def _rates(sha256: str, runs: Sequence[Run], speed: SpeedRatio | None) -> Rates | None:
    """The file's rates in the runs that the speed ratio comes from."""
    timed = [
        row
        for run in runs
        if speed and run.id in speed.runs
        for row in run.rows
        if row.model_sha256 == sha256 and row.condition == SPEED_CONDITION
    ]
    return rates_of(timed)


def _sentence(
    a: str,
    b: str,
    quality: PairComparison,
    speed: SpeedRatio | None,
    seconds: Sequence[Interval | None],
) -> str:
    """The better one leads; where neither is better, the order is as asked."""
    if quality.separable and quality.difference < 0:
        return _sentence(b, a, quality.inverted, speed.inverted if speed else None, seconds[::-1])
    how = _better if quality.separable else _undecided if quality.differs else _not_separable
    words = how(a, b, quality, speed)
    costs = [each.estimate for each in seconds if each]
    return words + (f"; {costs[0]:.3g} s per correct answer against {costs[1]:.3g} s." if len(costs) == 2 else ".")


def _better(a: str, b: str, quality: PairComparison, speed: SpeedRatio | None) -> str:
    words = f"{a} answers {100 * quality.difference:+.1f} points more correctly {_figures(quality)} than {b}"
    if speed is None:
        return words
    return words + (f" and decodes {_times(speed)}" if speed.separable else f"; {_same_speed(speed)}")


def _undecided(a: str, b: str, quality: PairComparison, speed: SpeedRatio | None) -> str:
    words = (
        f"Which of {a} and {b} answers better is not decided: as they stand the answers differ by "
        f"{100 * quality.difference:+.1f} points {_figures(quality)}, but {cut_text(quality, a, b)}; "
        "give them more room"
    )
    return _with_speed(words, a, b, speed)


def _not_separable(a: str, b: str, quality: PairComparison, speed: SpeedRatio | None) -> str:
    seen = (
        "there are too few prompts to find any difference"
        if quality.detectable is None
        else f"the run could have seen a difference of {100 * quality.detectable:.1f} points"
    )
    words = (
        f"{a} and {b} are not separable in quality: {100 * quality.difference:+.1f} points {_figures(quality)}, {seen}"
    )
    if quality.cut_a or quality.cut_b:
        words += f" ({quality.cut_a} and {quality.cut_b} of the answers were cut by their token limit)"
    return _with_speed(words, a, b, speed)


def _with_speed(words: str, a: str, b: str, speed: SpeedRatio | None) -> str:
    if speed is None:
        return words
    return words + (f"; {a} decodes {_times(speed)} than {b}" if speed.separable else f"; {_same_speed(speed)}")


def _figures(quality: PairComparison) -> str:
    return f"[{100 * quality.low:+.1f}, {100 * quality.high:+.1f}] (n={quality.n}, {p_text(quality.p_value)})"


def _times(speed: SpeedRatio) -> str:
    faster = speed.ratio.estimate > 1
    ratio = (speed if faster else speed.inverted).ratio
    return f"{ratio.estimate:.2f}× {'faster' if faster else 'slower'} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _same_speed(speed: SpeedRatio) -> str:
    ratio, floor = speed.ratio, speed.floor
    noise = f", noise floor {floor:.0%}" if floor is not None else ""
    return f"decode speeds are not separable ({ratio.estimate:.2f}× [{ratio.low:.2f}, {ratio.high:.2f}]{noise})"


def p_text(p_value: float) -> str:
    """Such as "p=0.012"."""
    return "p<0.001" if p_value < 0.001 else f"p={p_value:.2g}"


ALL_SUITES = "all suites"


def verdict_figures(found: Verdict) -> dict[str, str]:
    quality = found.quality
    return {
        "Difference": f"{100 * quality.difference:+.1f} points",
        "95% interval": f"{100 * quality.low:+.1f} to {100 * quality.high:+.1f}",
        "Prompts graded for both": f"{quality.n:,}",
        "Smallest difference it could find": f"{100 * quality.detectable:.0f} points" if quality.detectable else "–",
        "Cut by their limit": f"{quality.cut_a} and {quality.cut_b}",
        "Decode rate": f"{found.speed.ratio.estimate:.2f}×" if found.speed else "not timed together",
        "Seconds per correct answer": f"{_seconds(found.s_per_correct_a)} against {_seconds(found.s_per_correct_b)}",
    }


def _seconds(value: Interval | None) -> str:
    return f"{value.estimate:.2f} s" if value else "–"
