"""Pick: which quantization of a model to ship here; the operator begins a ladder, and moves the budget."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import streamlit as st

from app import runtime
from app.results.picks import PickJob
from app.results.processes import JobError
from app.views.say import say_error, say_info, say_quietly, say_warning
from benchmarks.pick.arms import PickError
from benchmarks.pick.drawing import drawn
from benchmarks.pick.outcome import OUTCOME_NAME, Outcome, read_outcome
from benchmarks.pick.rule import Budget
from benchmarks.pick.text import how_to_serve, rows, sentence
from data.errors import TradeoffError
from data.gguf.types import QUANTIZATIONS
from data.models.fetch import local_path
from data.models.registry import load_registry

LOOK_S, PICTURE_PX = 2.0, 560
KLS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
MB = 1e6
MEMORY_STEP_MB = 10
USUAL = ("q2_k", "q3_k_m", "q4_0", "q4_k_m", "q5_k_m", "q6_k", "q8_0")

state, jobs = st.session_state, runtime.pick_jobs()


def act(change: Callable[[], object]) -> None:
    try:
        if not runtime.operator():
            raise JobError("only the operator can begin a ladder")
        change()
    except TradeoffError as error:
        state.pick_problem = str(error)


def begin() -> None:
    chosen = (state.pick_model, state.pick_quants, state.pick_prompts)
    state.pick_ladder = jobs.start(*chosen, from_quantized=state.pick_again)


def show_form(*, busy: bool) -> None:
    measurable = load_registry()  # what the process knows: the project's models and the added ones
    here = [model_id for model_id, entry in measurable.items() if local_path(entry, measurable)]
    with st.container(border=True):
        if not here:
            say_info("No model is here yet; fetch or add one on the Models page.")
            return
        st.selectbox("Model", here, format_func=runtime.label, key="pick_model")
        st.pills("Quantizations", QUANTIZATIONS, selection_mode="multi", default=USUAL, key="pick_quants")
        st.number_input("Graded prompts of core", 4, 1000, 60, key="pick_prompts")
        st.toggle(
            "Quantize a second time where there is no F16 file; what the first time cost is not seen", key="pick_again"
        )
        label, icon = "Begin the ladder", ":material/play_arrow:"
        st.button(label, key="pick_start", icon=icon, on_click=act, args=(begin,), disabled=busy)
        st.caption(
            "Something is being measured; the next ladder can begin when it has ended."
            if busy
            else "Each file is made, timed, compared with the best one token by token, and removed again; answers are "
            "graded from the fastest file on. Minutes for a small model, hours for a large one; it goes on after this "
            "page is closed."
        )


def show_ladder(job: PickJob) -> None:
    """As far as it is; the sliders move the pick at once."""
    if job.running:
        show_progress(job)
    outcome = outcome_of(job)
    if outcome is None or not outcome.arms:
        if not job.running:
            say_warning(job.last_words or "It has measured no file.")
        return
    budget = budget_sliders(outcome, job.name)
    asked = replace(outcome, budget=budget)
    say_pick(asked, running=job.running)
    svg, words = drawn(asked, ink=runtime.ink())
    st.image(svg, alt=words, width=PICTURE_PX)
    head, *lines = rows(asked)
    st.dataframe([dict(zip(head, line, strict=True)) for line in lines], hide_index=True)
    if not job.running:
        show_end(job, outcome, asked)


def budget_sliders(outcome: Outcome, name: str) -> Budget:
    """The budget as they stand; at first the ladder's own.

    Args:
        name: Of the ladder, whose sliders these are.
    """
    left, right = st.columns(2)
    with left:
        memory = memory_slider(outcome, f"pick_memory_{name}")
        speed = speed_slider(outcome, f"pick_speed_{name}")
    with right:
        kls = sorted({*KLS, outcome.budget.max_kl})
        kl = st.select_slider(
            "Mean KL divergence, at most", kls, outcome.budget.max_kl, format_func="{:g}".format, key=f"pick_kl_{name}"
        )
        loss = outcome.budget.max_loss_points
        points = st.slider(
            "Shown loss that is borne, points", 0.0, max(20.0, loss), loss, 0.5, "%g", key=f"pick_loss_{name}"
        )
    return Budget(memory_bytes=memory, min_tok_per_s=speed, max_kl=kl, max_loss_points=points)


def memory_slider(outcome: Outcome, key: str) -> float | None:
    """None at the right end: the largest file's is no limit."""
    sizes = [arm.peak_rss_bytes / MB for arm in outcome.arms]
    step = MEMORY_STEP_MB
    low, high = (math.floor(min(sizes) / step) - 1) * step, (math.ceil(max(sizes) / step) + 1) * step
    wanted = outcome.budget.memory_bytes
    start = high if wanted is None else round(min(max(wanted / MB, low), high))
    chosen = st.slider("Memory in MB, at most", max(0, low), high, max(0, start), step, key=key)
    return None if chosen >= high else chosen * MB


def speed_slider(outcome: Outcome, key: str) -> float | None:
    """None at the left end."""
    high = math.ceil(max(arm.decode_tok_per_s for arm in outcome.arms)) + 1
    start = math.ceil(min(outcome.budget.min_tok_per_s or 0, high))
    chosen = st.slider("Tokens a second, at least", 0, high, start, key=key)
    return float(chosen) if chosen else None


@st.fragment(run_every=LOOK_S)
def show_progress(job: PickJob) -> None:
    """Counts files and graded ones, and draws the page again where there are more."""
    now, outcome = jobs.look(job), outcome_of(job)
    done = (len(outcome.arms), len(outcome.graded)) if outcome else (0, 0)
    if not now.running or done != state.setdefault(f"pick_done_{job.name}", done):
        state[f"pick_done_{job.name}"] = done
        st.rerun()
    planned = len(outcome.planned) if outcome else 0
    text = f"{done[0]} of {planned} files measured" if planned else "Reading the model"
    st.progress(done[0] / planned if planned else 0.0, text=text)
    say_quietly(now.last_words)
    icon = ":material/stop_circle:"
    st.button("Cancel", key=f"cancel_{job.name}", icon=icon, on_click=act, args=(lambda: jobs.cancel(job.name),))


def outcome_of(job: PickJob) -> Outcome | None:
    """None before its first file."""
    try:
        return read_outcome(job.directory)
    except PickError as error:
        if (job.directory / OUTCOME_NAME).exists():
            say_warning(str(error))
        return None


def say_pick(outcome: Outcome, *, running: bool) -> None:
    text = sentence(outcome) + "."
    if running:
        say_info(f"So far: {text}")
    elif outcome.choice.picked:
        st.success(text[0].upper() + text[1:], icon=":material/check_circle:")
    else:
        say_warning(text[0].upper() + text[1:])


def show_end(job: PickJob, outcome: Outcome, asked: Outcome) -> None:
    """How to serve the file where it is there; else what makes it."""
    named = asked.choice.nearest.quantization
    if outcome.path and named == outcome.choice.nearest.quantization:
        with st.expander("How to serve it"):
            st.code(how_to_serve(outcome), language=None)
    elif job.can_go_on:
        st.caption(f"{named} was removed after it was measured, or its answers were not asked for.")
        go_on = (lambda: jobs.go_on(job.name, asked.budget),)
        st.button("Make it, with this budget", key=f"go_on_{job.name}", on_click=act, args=go_on)


def title_of(job: PickJob) -> str:
    try:
        name = read_outcome(job.directory).name
    except PickError:
        return job.name
    made = datetime.fromtimestamp((job.directory / OUTCOME_NAME).stat().st_mtime)
    return f"{name} · " + ("being measured" if job.running else f"{made:%Y-%m-%d %H:%M}")


if not runtime.operator():
    st.info("Ladders are begun by the operator. What was measured is on the Results page.", icon=":material/lock:")
    st.stop()
ladders = jobs.jobs()
show_form(busy=jobs.busy)
if problem := state.pop("pick_problem", None):
    say_error(problem)
if ladders:
    by_name = {job.name: job for job in ladders}
    if state.get("pick_ladder") not in by_name:
        state.pick_ladder = ladders[0].name
    st.selectbox("Ladder", list(by_name), format_func=lambda name: title_of(by_name[name]), key="pick_ladder")
    show_ladder(by_name[state.pick_ladder])
