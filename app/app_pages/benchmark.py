"""Benchmark: the operator starts a small run, and watches its points appear."""

import time
from collections.abc import Callable
from typing import Any

import streamlit as st

from app import runtime
from app.results.estimates import Plan, told
from app.results.jobs import Job
from app.results.processes import JobError
from app.results_cache import all_runs, points_of
from app.views.say import say_error, say_quietly
from benchmarks.analysis.filters import Filters
from benchmarks.analysis.names import renamed
from benchmarks.analysis.points import model_points
from benchmarks.charts.frame import colour_of
from benchmarks.charts.scatter import scatter
from benchmarks.runs.read import RunError, read_run
from data.errors import TradeoffError
from data.models.fetch import local_path
from data.models.registry import load_registry
from data.suites.prompts import shipped_suites

LOOK_S, REDRAW_S = 2.0, 30.0
AXIS = "decode_tok_per_s"
CONDITIONS = {
    "timed-cold": "Speed and quality: one answer at a time, from a cold cache",
    "batched": "Quality only: many answers at once, several times as fast",
}

state, registry, jobs = st.session_state, runtime.registry(), runtime.benchmark_jobs()


def start() -> None:
    try:
        if not runtime.operator():
            raise JobError("only the operator can start a run")
        jobs.start(plan())
    except TradeoffError as error:
        state.bench_problem = str(error)


def plan() -> Plan:
    """What the form says now."""
    return Plan(
        models=tuple(state.get("bench_models") or ()),
        suites=tuple(state.get("bench_suites") or ()),
        limit=state.get("bench_limit", 16),
        condition=state.get("bench_condition", next(iter(CONDITIONS))),
    )


def act(name: str, change: Callable[[str], None]) -> None:
    try:
        change(name)
    except TradeoffError as error:
        state.bench_problem = str(error)


def show_form() -> None:
    measurable = load_registry()  # what the run's own process knows: the project's models and the added ones
    here = [model_id for model_id, entry in measurable.items() if local_path(entry, measurable)]
    with st.container(border=True):
        wanted = state.get("bench_models", runtime.default_pair())
        state.bench_models = [each for each in wanted if each in here]
        several: dict[str, Any] = {"selection_mode": "multi"}
        st.pills("Models", here, format_func=runtime.label, key="bench_models", **several)
        st.pills("Suites", shipped_suites(), default=["core"], key="bench_suites", **several)
        left, right = st.columns(2)
        left.number_input("Prompts of each suite", 1, 1000, 16, key="bench_limit")
        right.selectbox("How", list(CONDITIONS), format_func=CONDITIONS.__getitem__, key="bench_condition")
        show_start()
        st.caption(
            "It runs as a process of its own, also after this page is closed. Whoever chats meanwhile uses the same "
            "cores: samples during which that happened are flagged as noisy."
        )


def show_start() -> None:
    """The button, once it is known how long the run will take; beside a run that goes on nothing is timed."""
    wanted, busy = plan(), jobs.busy
    asked = wanted.models and wanted.suites and not busy
    costs = runtime.estimates().of(wanted) if asked else []
    waits = busy or costs is None
    st.button("Start", key="bench_start", icon=":material/play_arrow:", on_click=start, disabled=waits)
    if busy:
        st.caption("A run or a ladder is going on; the next one can start when it has ended.")
    elif costs is None:
        wait_for_estimate(wanted)
    elif costs:
        say_quietly(told(costs))


@st.fragment(run_every=1.0)
def wait_for_estimate(wanted: Plan) -> None:
    if runtime.estimates().of(wanted) is not None:
        st.rerun()
    st.caption(":material/hourglass_empty: Working out how long it takes; a model that is new here is timed briefly …")


def show_ended(job: Job) -> None:
    """A run that is over: how far it came, resuming it, and its points."""
    with st.container(border=True):
        st.markdown(headline(job, "finished" if job.finished else "stopped"))
        if not job.finished:
            if job.last_words:
                st.text(job.last_words)
            show_button(job, "Resume", ":material/resume:", jobs.resume)
        if job.directory:
            draw(job, chart_beside_others(job))


def show_running(job: Job) -> None:
    with st.container(border=True):
        show_progress(job)
        show_button(job, "Cancel", ":material/stop_circle:", jobs.cancel)
        if job.directory:
            show_points(job)


@st.fragment(run_every=LOOK_S)
def show_progress(job: Job) -> None:
    """Only counts samples, so that looking does not disturb the timing."""
    now = jobs.look(job)
    if not now.running or now.directory != job.directory:
        st.rerun()
    st.markdown(headline(now, "running"))
    st.progress(min(1.0, now.done / (now.total or max(1, now.done))), text=time_left(now))


@st.fragment(run_every=REDRAW_S)
def show_points(job: Job) -> None:
    """Reads the samples again only where there are more, and seldom."""
    kept: dict[str, tuple[float, int, Any]] = state.setdefault("bench_charts", {})
    drawn_at, done, chart = kept.get(job.name, (0.0, 0, "no sample yet"))
    now = jobs.look(job)
    if now.done > done and time.time() - drawn_at >= REDRAW_S - LOOK_S:
        chart = chart_of(now)
        kept[job.name] = (time.time(), now.done, chart)
    draw(job, chart)


def headline(job: Job, words: str) -> str:
    return f"**{job.name}** · {words} · {job.done} of {job.total if job.total is not None else '?'} samples"


def show_button(job: Job, verb: str, icon: str, change: Callable[[str], None]) -> None:
    st.button(verb, key=f"{verb.lower()}_{job.name}", icon=icon, on_click=act, args=(job.name, change))


def time_left(job: Job) -> str:
    seconds = job.seconds_left(time.time())
    if seconds is None:
        return "Loading the models"
    return f"about {seconds / 60:.0f} min left" if seconds >= 90 else f"about {seconds:.0f} s left"


def chart_of(job: Job) -> Any:
    """The run's points so far, or in one line why there are none."""
    try:
        points = model_points(renamed([read_run(job.directory)], registry)) if job.directory else None
        if points is None or points.empty:
            return "no sample yet"
        return scatter(points, colour_of(points["model"], order=list(registry)))
    except (RunError, ValueError) as error:  # nothing to draw yet
        return str(error)


def chart_beside_others(job: Job) -> Any:
    """The points of a run that is over, beside those of all models that have answered the same prompts."""
    results, found = all_runs()
    run = next((each for each in found.runs if each.directory == job.directory), None)
    if run is None or not run.by_model:
        return "no sample yet"
    points = points_of(results, Filters(machine=run.machine), AXIS, found.runs, tuple(run.by_model))
    try:
        return scatter(points[points["alike"]], colour_of(points["model"], order=list(registry)), axis=AXIS)
    except ValueError as error:
        return str(error)


def draw(job: Job, chart: Any) -> None:
    if isinstance(chart, str):
        say_quietly(f"No chart yet: {chart}.")
    else:
        st.altair_chart(chart, key=f"chart_{job.name}")


if not runtime.operator():
    st.info("Runs are started by the operator. What was measured is on the Results page.", icon=":material/lock:")
    st.stop()
all_jobs = jobs.jobs()
show_form()
if problem := state.pop("bench_problem", None):
    say_error(problem)
for job in all_jobs:
    if job.running:
        show_running(job)
for job in [job for job in all_jobs if not job.running][:5]:
    show_ended(job)
