"""Run against run: what changed, and what is noise."""

from typing import TYPE_CHECKING

import streamlit as st

from app.results_cache import State, changes_of
from app.views.say import say_info, say_quietly
from benchmarks.runs.on_disk import run_name
from benchmarks.runs.read import Run

if TYPE_CHECKING:
    from benchmarks.analysis.changes import Change


def show_run_pair(state: State, runs: tuple[Run, ...]) -> None:
    if len(runs) < 2:
        st.caption("Two runs are needed.")
        return
    by_key = {f"{run.id} {run.directory}": run for run in runs}
    keys = list(by_key)
    left, right = st.columns(2)
    before = str(left.selectbox("Before", keys, 1, format_func=lambda it: run_name(by_key[it]), key="run_before"))
    after = str(right.selectbox("After", keys, 0, format_func=lambda it: run_name(by_key[it]), key="run_after"))
    if before == after:
        st.caption("Choose two different runs.")
        return
    found = changes_of(state, before, after, by_key[before], by_key[after])
    if isinstance(found, str):
        say_info(found)
        return
    for note in found.notes:
        say_quietly(note)
    st.dataframe(
        [_row(change) for change in found.rows], hide_index=True, placeholder="–", alt="Changes between two runs"
    )
    st.caption("p is adjusted over all rows (Holm). A change counts where it is significant and above the noise floor.")


def _row(change: "Change") -> dict[str, object]:
    share = change.of_share
    verdict = (
        "noise" if not change.significant else "better" if (change.change > 0) == change.better_when_more else "worse"
    )
    return {
        "Model": change.model,
        "Condition": change.condition,
        "Figure": change.metric,
        "Before": f"{change.a:.1%}" if share else f"{change.a:.3g}",
        "After": f"{change.b:.1%}" if share else f"{change.b:.3g}",
        "Change": f"{100 * change.change:+.1f} points" if share else f"{change.change:+.1%}",
        "p": f"{change.adjusted:.2g}",
        "Verdict": verdict,
    }
