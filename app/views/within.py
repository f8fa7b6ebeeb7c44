"""Right within the time one has: curves of models, and of two the sentence that follows."""

from collections.abc import Callable, Sequence

import streamlit as st

from app import runtime
from app.results_cache import State, within_of
from app.views.charts import show_chart
from app.views.say import say_quietly
from benchmarks.analysis.filters import Filters
from benchmarks.analysis.within import SECONDS, TOKENS
from benchmarks.charts.frame import colour_of
from benchmarks.charts.within import within_chart
from benchmarks.runs.read import Run

MOST_LINES = 8


def show_within(
    state: State,
    choice: Filters,
    models: Sequence[str],
    runs: tuple[Run, ...],
    key: str,
    concerns: Callable[[str], bool] = lambda problem: True,
) -> None:
    """Of more than eight models, the first eight.

    Args:
        concerns: Whether a reason why some model is not drawn is worth saying here.
    """
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
    curves, sentence, problems = within_of(state, choice, tuple(models[:MOST_LINES]), str(unit), runs)
    if sentence:
        st.text(sentence)
    try:
        colours = colour_of([each.model for each in curves], order=list(runtime.registry()))
        show_chart(within_chart(curves, colours), f"within_{key}")
        where = f" Seconds are those of {curves[0].machine}." if unit == SECONDS else ""
        st.caption(
            f"Share of the answers that are right and finished within the budget, with 95% bands.{where} A line ends "
            "where its answers' token limits would decide."
        )
    except ValueError as error:
        say_quietly(f"No chart: {error}.")
    if told := [problem for problem in problems if concerns(problem)]:
        say_quietly(f"Not drawn: {'; '.join(told)}.")
