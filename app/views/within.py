"""Right within the time one has: curves of all models, or of two with the sentence that follows."""

from collections.abc import Sequence

import streamlit as st

from app import runtime
from app.views.charts import show_chart
from app.views.say import say_quietly
from benchmarks.analysis.within import SECONDS, TOKENS, Answers, curve, pair_text
from benchmarks.charts.frame import colour_of
from benchmarks.charts.within import within_chart
from benchmarks.runs.read import RunError

MOST_LINES = 8


def show_within(answers: Sequence[Answers], problems: Sequence[str], key: str) -> None:
    """Two models get their sentence, too; more than eight are not drawn."""
    if not answers:
        return
    st.subheader("Right within the time one has", anchor=False)
    unit = st.segmented_control(
        "Budget",
        [SECONDS, TOKENS],
        default=SECONDS,
        required=True,
        format_func=str.capitalize,
        key=f"within_{key}",
        label_visibility="collapsed",
    )
    drawn = list(answers)[:MOST_LINES]
    try:
        if len(drawn) == 2:
            st.text(pair_text(drawn[0], drawn[1], str(unit)))
        colours = colour_of([each.model for each in drawn], order=list(runtime.registry()))
        show_chart(within_chart([curve(each, str(unit)) for each in drawn], colours), f"within_{key}")
    except (RunError, ValueError) as error:
        say_quietly(f"No chart: {error}.")
        return
    where = f" Seconds are those of {drawn[0].machine}." if unit == SECONDS else ""
    st.caption(
        f"Share of the answers that are right and finished within the budget, with 95% bands.{where} A line ends where "
        "its answers' token limits would decide."
    )
    if problems:
        say_quietly(f"Not drawn: {'; '.join(problems)}.")
