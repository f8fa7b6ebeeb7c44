"""The answers behind a figure."""

from collections.abc import Sequence

import streamlit as st

from app.views.say import say_quietly
from benchmarks.runs.on_disk import RESULTS, samples_table, without_paths
from benchmarks.runs.read import Run


def show_method(runs: Sequence[Run], key: str) -> None:
    """Hardware and method of runs, a click away."""
    popover = st.popover("Hardware and method", icon=":material/memory:", key=f"method_{key}", on_change="rerun")
    if popover.open:
        with popover:
            for run in runs:
                say_quietly(f"{run.id}: {run.machine}")
                st.json(without_paths({k: v for k, v in run.manifest.items() if k != "models"}), expanded=1)


def show_samples(run: Run, model: str, *, key: str) -> None:
    """Every answer of one model in one run, wrong ones first, with the grader's reason."""
    table = samples_table(run, model)
    if table.empty:
        st.caption("No answers: this run timed fixed shapes only.")
        return
    there = [name for name in RESULTS if name in set(table["result"])]
    chosen = st.pills("Show", there, selection_mode="multi", default=there, key=f"show_{key}")
    st.dataframe(
        table[table["result"].isin(chosen or there)],
        hide_index=True,
        height=420,
        key=f"samples_{key}",
        column_config={
            "answer": st.column_config.TextColumn("answer", width="large"),
            "reason": st.column_config.TextColumn("reason", width="medium"),
            "decode_tok_per_s": st.column_config.NumberColumn("decode tok/s", format="%.1f"),
            "ttft_s": st.column_config.NumberColumn("TTFT (s)", format="%.2f"),
        },
        alt="Answers with their grades",
    )
    st.download_button(
        "These answers, as CSV",
        table.to_csv(index=False),
        f"{run.id}-{model}.csv",
        "text/csv",
        key=f"download_{key}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
