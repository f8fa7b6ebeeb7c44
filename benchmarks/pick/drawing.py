"""The ladder as a picture, and everything that is kept of it beside `pick.json`."""

from pathlib import Path

from benchmarks.charts.ladder import Rung, ladder, words
from benchmarks.pick.arms import Arm
from benchmarks.pick.outcome import Outcome
from benchmarks.pick.text import report
from data.files import write_atomically

REPORT_NAME, PICTURE_NAME = "pick.txt", "pick.svg"
_INK, _GROUND = "#0e1622", "#ffffff"


def drawn(outcome: Outcome, *, ink: str) -> tuple[str, str]:
    """The picture as SVG, and in words.

    Args:
        ink: Colour of the letters.
    """
    rungs = [_rung(arm, outcome) for arm in outcome.arms]
    return ladder(rungs, most_kl=outcome.budget.max_kl, ink=ink), words(rungs)


def write_report(outcome: Outcome, directory: Path) -> None:
    """Table, sentence and how to serve it, and the picture on a white ground."""
    write_atomically(directory / REPORT_NAME, report(outcome) + "\n")
    svg, _ = drawn(outcome, ink=_INK)
    write_atomically(directory / PICTURE_NAME, svg.replace("<svg ", f'<svg style="background:{_GROUND}" ', 1) + "\n")


def _rung(arm: Arm, outcome: Outcome) -> Rung:
    choice = outcome.choice
    return Rung(
        name=arm.quantization,
        tok_per_s=arm.decode_tok_per_s,
        kl=arm.mean_kl,
        kl_low=max(0.0, arm.mean_kl - 1.96 * arm.error_kl),
        kl_high=arm.mean_kl + 1.96 * arm.error_kl,
        within=not choice.misses[arm.quantization],
        picked=arm is choice.picked,
        said="; ".join(miss.text for miss in choice.misses[arm.quantization]),
    )
