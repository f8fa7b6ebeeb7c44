"""Results: decode speed against graded quality, and the samples behind each point."""

from pathlib import Path
from typing import Any

import streamlit as st

from app import runtime
from app.runs_on_disk import Found, fingerprint, load_runs, samples_table
from app.state import results_directories
from benchmarks.charts import model_points, scatter
from benchmarks.colours import colour_of
from benchmarks.runs import Run


@st.cache_data(show_spinner=False, max_entries=2)
def runs_as_of(state: tuple[Any, ...], where: tuple[str, ...]) -> Found:
    """Read once per state of the files; the arguments are the cache's key."""
    return load_runs([Path(directory) for directory in where])


def run_name(run: Run) -> str:
    started = str(run.manifest.get("created_at", ""))[:16].replace("T", " ")
    return f"{run.manifest.get('config', {}).get('name', run.id)} · {started} UTC" + (
        "" if run.finished else " · unfinished"
    )


def show_run(run: Run) -> None:
    points = model_points([run])
    if points.empty:
        st.caption("This run has no samples yet.")
        return
    # Timed conditions first: batched answers have no speed of their own to draw.
    conditions = sorted(points["condition"].unique(), key=lambda name: (name == "batched", name))
    condition = (
        st.segmented_control("Condition", conditions, default=conditions[0], required=True)
        if conditions[1:]
        else conditions[0]
    )
    points = points[points["condition"] == condition]
    colours = colour_of(points["model"], order=list(runtime.registry()))
    try:
        st.altair_chart(scatter(points, colours))
    except ValueError as error:  # nothing to draw yet
        st.caption(f"No chart: {error}.")
    st.caption(
        "Up and to the right is better. Lines are 95% intervals; "
        "where they overlap much, this run does not tell the models apart."
    )
    show_points_table(points)
    show_samples(run, [str(model) for model in points["model"]])


def show_points_table(points: Any) -> None:
    def number(title: str, form: str) -> Any:
        return st.column_config.NumberColumn(title, format=form)

    columns = {
        "label": "Model",
        "accuracy": number("Share correct", "percent"),
        "of": "Correct / graded",
        "decode_tok_per_s": number("Decode tok/s", "%.1f"),
        "prefill_tok_per_s": number("Prefill tok/s", "%.0f"),
        "ttft_s": number("TTFT (s)", "%.2f"),
        "answer_s": number("Seconds per answer", "%.2f"),
        "s_per_correct_answer": number("Seconds per correct answer", "%.2f"),
        "peak_rss_gb": number("Peak memory (GB)", "%.2f"),
        "truncated": "Cut off",
        "ungradable": "Not gradable",
        "errors": "Errors",
        "noisy": "Noisy samples",
    }
    shown = points.assign(
        of=points["correct"].astype(str) + " / " + points["n"].astype(str), peak_rss_gb=points["peak_rss_bytes"] / 1e9
    )
    st.dataframe(shown, hide_index=True, column_order=list(columns), column_config=columns)


def show_samples(run: Run, models: list[str]) -> None:
    st.subheader("Samples")
    labels = {model: str(run.models.get(model, {}).get("label", model)) for model in models}
    model = st.segmented_control("Model", models, default=models[0], format_func=labels.__getitem__, required=True)
    table = samples_table(run, str(model))
    results = [name for name in ("wrong", "right", "partly", "not graded", "error") if name in set(table["result"])]
    chosen = st.pills("Show", results, selection_mode="multi", default=results)
    st.dataframe(
        table[table["result"].isin(chosen or results)],
        hide_index=True,
        height=420,
        column_config={
            "answer": st.column_config.TextColumn("answer", width="large"),
            "reason": st.column_config.TextColumn("reason", width="medium"),
            "decode_tok_per_s": st.column_config.NumberColumn("decode tok/s", format="%.1f"),
            "ttft_s": st.column_config.NumberColumn("TTFT (s)", format="%.2f"),
        },
    )


directories = results_directories()
found = runs_as_of(fingerprint(directories), tuple(map(str, directories)))
for problem in found.problems:
    st.warning(problem, icon=":material/warning:")
if not found.runs:
    st.info("No run yet. Make one: python -m benchmarks.run benchmarks/configs/smoke.toml", icon=":material/info:")
    st.stop()
ids = {f"{run.id} {run.directory}": run for run in found.runs}
selected = st.selectbox("Run", list(ids), format_func=lambda key: run_name(ids[key]))
show_run(ids[str(selected)])
with st.expander("Hardware and method of this run"):
    st.json({key: value for key, value in ids[str(selected)].manifest.items() if key != "models"}, expanded=1)
