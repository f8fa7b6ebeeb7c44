"""The figures beside a verdict, as text, for the page and the static site. No Streamlit in this module."""

from benchmarks.analysis.verdict import Verdict
from benchmarks.statistics.stats import Interval

ALL_SUITES = "all suites"


def verdict_figures(found: Verdict) -> dict[str, str]:
    quality = found.quality
    return {
        "Difference": f"{100 * quality.difference:+.1f} points",
        "95% interval": f"{100 * quality.low:+.1f} to {100 * quality.high:+.1f}",
        "Prompts graded for both": f"{quality.n:,}",
        "Smallest difference it could find": f"{100 * quality.detectable:.0f} points" if quality.detectable else "–",
        "Decode rate": f"{found.speed.ratio.estimate:.2f}×" if found.speed else "not timed together",
        "Seconds per correct answer": f"{_seconds(found.s_per_correct_a)} against {_seconds(found.s_per_correct_b)}",
    }


def _seconds(value: Interval | None) -> str:
    return f"{value.estimate:.2f} s" if value else "–"
