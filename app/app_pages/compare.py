"""Compare: one prompt, two models, both replies at once."""

from typing import Any

import streamlit as st

from app import runtime
from app.conversation import REPORT_PROMPTS, Turn, lane_requests, statistics_line, status_line
from app.generation import Refused
from app.lanes import Lane
from benchmarks.colours import colour_of
from benchmarks.engine import Sampling
from data.sources import local_path

REFRESH_S = 0.3  # each look costs the models some milliseconds of processor time
DEFAULTS: dict[str, Any] = {
    "temperature": 0.6,
    "top_p": 0.9,
    "top_k": 0,
    "min_p": 0.0,
    "repeat_penalty": 1.0,
    "max_tokens": 256,
    "seed": 3407,
    "system": "",
    "stop": "",
}

service, registry, visitor = runtime.service(), runtime.registry(), runtime.visitor()
colours = colour_of(registry, order=list(registry))
turns: list[Turn] = st.session_state.setdefault("turns", [])
running = bool(turns and turns[-1].comparison_id)


def model_name(model_id: str) -> str:
    """Label of a model in a list; says when it has to be fetched first."""
    entry = registry[model_id]
    here = "" if local_path(entry, registry) else " (to download)"
    return f"{entry.label}{here}"


def send(prompt: str) -> None:
    """Start a comparison; a refusal is kept for the page to show."""
    state = st.session_state
    pair = runtime.default_pair()
    model_ids = (state.get("model_0", pair[0]), state.get("model_1", pair[1]))
    chosen = {name: state.get(name, default) for name, default in DEFAULTS.items()}
    system, stop_lines = chosen.pop("system"), chosen.pop("stop")
    try:
        sampling = Sampling(**chosen, stop=tuple(line for line in stop_lines.splitlines() if line))
        requests = lane_requests(turns, prompt, model_ids, system=system, sampling=sampling)
        comparison_id = service.compare(visitor, requests)
    except (Refused, ValueError) as error:
        state.refusal = str(error)
        return
    turns.append(Turn(prompt=prompt, model_ids=model_ids, comparison_id=comparison_id))


def stop() -> None:
    if turns and turns[-1].comparison_id:
        service.cancel(turns[-1].comparison_id)


def clear() -> None:
    stop()
    turns.clear()


def send_typed() -> None:
    if prompt := (st.session_state.prompt or "").strip():
        send(prompt)
    else:
        st.session_state.refusal = "the prompt is empty; write something first"


def show_settings() -> None:
    with st.popover("Settings", icon=":material/tune:"):
        st.text_area(
            "System prompt",
            key="system",
            persist_state="session",
            placeholder="Empty: the model's own default",
            height=80,
        )
        left, right = st.columns(2)
        left.slider(
            "Temperature",
            0.0,
            2.0,
            DEFAULTS["temperature"],
            0.05,
            key="temperature",
            persist_state="session",
            help="0 is greedy",
        )
        right.slider("Top-p", 0.05, 1.0, DEFAULTS["top_p"], 0.05, key="top_p", persist_state="session")
        left.slider("Min-p", 0.0, 0.5, DEFAULTS["min_p"], 0.01, key="min_p", persist_state="session")
        right.slider(
            "Repeat penalty", 1.0, 2.0, DEFAULTS["repeat_penalty"], 0.05, key="repeat_penalty", persist_state="session"
        )
        left.number_input("Top-k (0: all)", 0, 1000, DEFAULTS["top_k"], key="top_k", persist_state="session")
        right.number_input("Max tokens", 1, 4096, DEFAULTS["max_tokens"], key="max_tokens", persist_state="session")
        left.number_input("Seed", 0, 2**32 - 1, DEFAULTS["seed"], key="seed", persist_state="session")
        right.text_area("Stop strings, one a line", key="stop", persist_state="session", height=68)


def show_reply(model_id: str, lane: Lane | None, place: int | None) -> None:
    """One lane: whose it is, the text, and the statistics below it."""
    with st.container(border=True):
        st.markdown(
            f":small[<span style='color:{colours[model_id]}'>●</span> {registry[model_id].label}]",
            unsafe_allow_html=True,
        )
        if lane is None:
            st.caption("This comparison is gone; send the prompt again.")
            return
        if lane.text:
            st.text(lane.text)
        elif not lane.done:
            st.caption(f":material/hourglass_empty: {status_line(lane, place)}")
            if lane.stage == "fetching" and lane.total_bytes:
                st.progress(min(1.0, lane.done_bytes / lane.total_bytes))
        if lane.error:
            st.error(lane.error, icon=":material/error:")
        elif lane.done and not lane.text:
            st.caption("No text: the model ended its turn at once." if lane.reason == "stop" else "No text.")
        if line := statistics_line(lane):
            st.caption(line)


def show_turn(turn: Turn, lanes: tuple[Lane, ...], place: int | None = None) -> None:
    for index, (column, model_id) in enumerate(zip(st.columns(len(turn.model_ids)), turn.model_ids, strict=True)):
        with column:
            show_reply(model_id, lanes[index] if index < len(lanes) else None, place)


@st.fragment(run_every=REFRESH_S)
def show_running(turn: Turn) -> None:
    """Only looks: the comparison lives in the service, and goes on whatever happens to this page."""
    snapshot = service.snapshot(turn.comparison_id) if turn.comparison_id else None
    if snapshot is None or snapshot.done:
        turn.lanes, turn.comparison_id = (snapshot.lanes if snapshot else turn.lanes), None
        st.rerun()
    turn.lanes = snapshot.lanes
    show_turn(turn, snapshot.lanes, snapshot.place)


for index, (column, default) in enumerate(zip(st.columns(2), runtime.default_pair(), strict=True)):
    column.selectbox(
        f"Model {'AB'[index]}",
        list(registry),
        index=list(registry).index(default),
        format_func=model_name,
        key=f"model_{index}",
        persist_state="session",
        disabled=running,
    )

with st.container(horizontal=True):
    show_settings()
    st.button(
        "Stop", key="stop_all", icon=":material/stop_circle:", on_click=stop, disabled=not running, type="primary"
    )
    st.button("Clear", key="clear", icon=":material/delete_sweep:", on_click=clear, disabled=not turns)

if not turns:
    st.caption(
        "One prompt, both models. They share the processor in equal time, and each rate counts its own time only."
    )
    for example in REPORT_PROMPTS:
        st.button(example, key=f"example_{example}", icon=":material/play_arrow:", on_click=send, args=(example,))

for turn in turns:
    with st.chat_message("user", avatar=":material/person:"):
        st.text(turn.prompt)
    if turn.comparison_id:
        show_running(turn)
    else:
        show_turn(turn, turn.lanes)

if refusal := st.session_state.pop("refusal", None):
    st.error(refusal, icon=":material/error:")

st.chat_input("A prompt for both models", key="prompt", on_submit=send_typed, disabled=running)
