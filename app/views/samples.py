"""The answers behind a figure."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.views.reply import show_text
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


def show_answer(row: dict[str, Any], key: str) -> None:
    """One answer as people read it, with its grade."""
    with st.container(border=True):
        st.text(f"{row['prompt']}: {row['result']}")
        if row["answer"]:
            show_text(str(row["answer"]), f"sample_{key}")
        say_quietly(str(row["reason"] or "") if row["answer"] else "No text.")


def show_samples(run: Run, model: str, *, key: str) -> None:
    """Every answer of one model in one run, wrong ones first, with the grader's reason."""
    table = samples_table(run, model)
    if table.empty:
        st.caption("No answers: this run timed fixed shapes only.")
        return
    there = [name for name in RESULTS if name in set(table["result"])]
    chosen = st.pills("Show", there, selection_mode="multi", default=there, key=f"show_{key}")
    shown = table[table["result"].isin(chosen or there)]
    picked = st.dataframe(
        shown,
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
        on_select="rerun",
        selection_mode="single-row",
    )
    if rows := [row for row in picked.selection.rows if row < len(shown)]:
        show_answer({str(name): value for name, value in shown.iloc[rows[0]].items()}, key)
    else:
        st.caption("Choose a row to read its answer.")
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
