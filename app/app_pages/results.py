"""Results: what the runs say, and every sample behind it."""

import streamlit as st

from app.results_cache import all_runs
from app.views.overview import show_overview
from app.views.pair import show_pair
from app.views.reply import plain_switch
from app.views.run_pair import show_run_pair
from app.views.samples import show_method, show_samples
from app.views.say import say_warning
from benchmarks.runs.on_disk import run_name
from benchmarks.runs.read import Run

OVERVIEW, PAIR, RUNS, ONE_RUN = "Overview", "Two models", "Run against run", "One run"


def show_one_run(runs: tuple[Run, ...]) -> None:
    """Its answers, model by model, and its hardware and method."""
    by_key = {f"{run.id} {run.directory}": run for run in runs}
    chosen = st.selectbox("Run", list(by_key), format_func=lambda it: run_name(by_key[it]), key="one_run")
    run = by_key[str(chosen)]
    if models := list(run.by_model):
        labels = {model: run.label(model) for model in models}
        model = st.segmented_control(
            "Model", models, default=models[0], format_func=labels.__getitem__, required=True, key=f"model_of_{run.id}"
        )
        show_samples(run, str(model), key=f"{run.id}_{model}")
    else:
        st.caption("This run has no samples yet.")
    show_method([run], "one")


state, found = all_runs()
for problem in found.problems:
    say_warning(problem)
if not found.runs:
    st.info("No run yet. Make one: python -m benchmarks.run benchmarks/configs/smoke.toml", icon=":material/info:")
    st.stop()
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    view = st.segmented_control(
        "View",
        [OVERVIEW, PAIR, RUNS, ONE_RUN],
        default=OVERVIEW,
        required=True,
        key="results_view",
        label_visibility="collapsed",
    )
    plain_switch()
if view == OVERVIEW:
    show_overview(state, found.runs)
elif view == PAIR:
    show_pair(state, found.runs)
elif view == RUNS:
    show_run_pair(state, found.runs)
else:
    show_one_run(found.runs)
