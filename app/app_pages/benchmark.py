"""Benchmark: the operator starts a small run, and watches its points appear."""

import time
from typing import Any

import streamlit as st

from app import runtime
from app.benchmark_jobs import Job, JobError
from app.views.say import say_error, say_quietly
from benchmarks.charts import model_points, scatter
from benchmarks.colours import colour_of
from benchmarks.runs import RunError, read_run
from data.registry import load_registry
from data.sources import local_path
from data.suites import shipped_suites

LOOK_S = 2.0
CONDITIONS = {
    "timed-cold": "Speed and quality: one answer at a time, from a cold cache",
    "batched": "Quality only: many answers at once, several times as fast",
}

state, registry, jobs = st.session_state, runtime.registry(), runtime.benchmark_jobs()


def start() -> None:
    try:
        if not runtime.operator():
            raise JobError("only the operator can start a run")
        jobs.start(
            models=state.bench_models,
            suites=state.bench_suites,
            limit=state.bench_limit,
            condition=state.bench_condition,
        )
    except JobError as error:
        state.bench_problem = str(error)


def act(name: str, verb: str) -> None:
    try:
        getattr(jobs, verb)(name)
    except JobError as error:
        state.bench_problem = str(error)


def show_form() -> None:
    measurable = load_registry()  # what `benchmarks.run` knows; a model added on the Models page is not in it
    here = [model_id for model_id, entry in measurable.items() if local_path(entry, measurable)]
    with st.container(border=True):
        usual = [each for each in runtime.default_pair() if each in here]
        several: dict[str, Any] = {"selection_mode": "multi"}
        st.pills("Models", here, default=usual, format_func=runtime.label, key="bench_models", **several)
        st.pills("Suites", shipped_suites(), default=["core"], key="bench_suites", **several)
        left, right = st.columns(2)
        left.number_input("Prompts of each suite", 1, 1000, 16, key="bench_limit")
        right.selectbox("How", list(CONDITIONS), format_func=CONDITIONS.__getitem__, key="bench_condition")
        st.button("Start", key="bench_start", icon=":material/play_arrow:", on_click=start)
        st.caption(
            "It runs as a process of its own, also after this page is closed. Whoever chats meanwhile uses the same "
            "cores: samples during which that happened are flagged as noisy."
        )


def show_job(job: Job) -> None:
    """One run: how far it is, what can be done, and its points so far."""
    total = job.total or max(1, job.done)
    with st.container(border=True):
        words = "running" if job.running else "finished" if job.finished else "stopped"
        st.markdown(f"**{job.name}** · {words} · {job.done} of {job.total if job.total is not None else '?'} samples")
        if job.running:
            st.progress(min(1.0, job.done / total), text=time_left(job))
        elif not job.finished and job.last_words:
            st.text(job.last_words)
        with st.container(horizontal=True):
            if job.running:
                st.button(
                    "Cancel",
                    key=f"cancel_{job.name}",
                    icon=":material/stop_circle:",
                    on_click=act,
                    args=(job.name, "cancel"),
                )
            elif not job.finished:
                st.button(
                    "Resume",
                    key=f"resume_{job.name}",
                    icon=":material/resume:",
                    on_click=act,
                    args=(job.name, "resume"),
                )
        if job.directory:
            show_points(job)


def time_left(job: Job) -> str:
    seconds = job.seconds_left(time.time())
    if seconds is None:
        return "Loading the models"
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def show_points(job: Job) -> None:
    try:
        points = model_points([read_run(job.directory)]) if job.directory else None
        if points is not None and not points.empty:
            st.altair_chart(scatter(points, colour_of(points["model"], order=list(registry))), key=f"chart_{job.name}")
    except (RunError, ValueError) as error:  # nothing to draw yet
        say_quietly(f"No chart yet: {error}.")


@st.fragment(run_every=LOOK_S)
def show_running() -> None:
    running = [job for job in jobs.jobs() if job.running]
    if not running:
        st.rerun()
    for job in running:
        show_job(job)


if not runtime.operator():
    st.info("Runs are started by the operator. What was measured is on the Results page.", icon=":material/lock:")
    st.stop()
show_form()
if problem := state.pop("bench_problem", None):
    say_error(problem)
all_jobs = jobs.jobs()
if any(job.running for job in all_jobs):
    show_running()
for job in [job for job in all_jobs if not job.running][:5]:
    show_job(job)
