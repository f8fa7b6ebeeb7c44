"""Compare: one prompt, two to four models, all replies at once."""

from dataclasses import replace
from functools import partial

import streamlit as st

from app import runtime
from app.chat.conversation import MIN_LANES, Turn, lane_requests
from app.chat.links import read_link
from app.chat.suite_prompts import SuitePrompt
from app.views.first_page import show_first_page
from app.views.first_pair import show_first_pair
from app.views.prompts import show_library, show_list, show_list_form
from app.views.replies import show_difference, show_turn
from app.views.reply import plain_switch
from app.views.say import say_error, say_warning
from app.views.settings import (
    chosen_models,
    chosen_sampling,
    chosen_system,
    show_lane_buttons,
    show_models,
    show_settings,
)
from app.views.sharing import show_export, show_share
from benchmarks.engine.contract import Sampling
from data.errors import TradeoffError

REFRESH_S, WAITING_S = 0.5, 2.0  # each look costs the models some milliseconds of processor time

state, service = st.session_state, runtime.service()
chat = runtime.chat()
turns, visitor = chat.turns, chat.visitor
if turns:
    runtime.chats().keep(chat)


def follow_link() -> None:
    """What the address asks for is done once, when the page is first opened."""
    if state.get("link_read"):
        return
    state.link_read = True
    wish = read_link(st.query_params.to_dict(), runtime.registry())
    problems = list(wish.problems)
    if st.query_params.get("chat", chat.id) != chat.id:
        problems.append("the conversation of this address is over; here is a new one")
    if wish.models:
        state.lane_count = len(wish.models)
        state.update({f"model_{lane}": model for lane, model in enumerate(wish.models)})
    state.update(wish.sampling)
    if wish.prompt:
        state.prompt = wish.prompt
    state.link_problems = problems


def start(prompt: str, models: tuple[str, ...], sampling: tuple[Sampling, ...], system: str) -> bool:
    """Start a comparison; a refusal is kept for the page to show."""
    try:
        requests = lane_requests(turns, prompt, models, system=system, sampling=sampling)
        runtime.count("comparisons")
        comparison_id = service.compare(visitor, requests, person=runtime.person())
    except (TradeoffError, ValueError) as error:
        state.refusal = str(error)
        return False
    turns.append(Turn(prompt=prompt, model_ids=models, comparison_id=comparison_id, system=system, sampling=sampling))
    return True


def send(prompt: str, system: str | None = None) -> None:
    try:
        sampling = chosen_sampling()
    except ValueError as error:
        state.refusal = str(error)
        return
    if not prompt.strip():
        state.refusal = "the prompt is empty; write something first"
        return
    start(prompt.strip(), chosen_models(), sampling, chosen_system() if system is None else system)


def ask_from_library(chosen: SuitePrompt) -> None:
    send(chosen.prompt.text, chosen.system or None)


def again(seed_change: int) -> None:
    """The last prompt once more, to the same models; the old replies make room once it is accepted."""
    last = turns.pop()
    sampling = tuple(replace(each, seed=(each.seed + seed_change) % 2**32) for each in last.sampling)
    if not start(last.prompt, last.model_ids, sampling, last.system):
        turns.append(last)


def begin_edit(index: int) -> None:
    state.editing = index


def resend(index: int) -> None:
    """Send an edited prompt; what came after it is dropped once it is accepted."""
    before = turns[index:]
    del turns[index:]
    send(state.get(f"edit_{index}", ""))
    if len(turns) == index:
        turns.extend(before)
    state.editing = None


def stop() -> None:
    if chat.running:
        service.cancel(turns[-1].comparison_id or "")


def clear() -> None:
    stop()
    turns.clear()
    state.editing = None


def show_prompt(turn: Turn, index: int) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        if state.get("editing") != index:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(turn.prompt, width="stretch")
                st.button(
                    "Edit",
                    key=f"begin_edit_{index}",
                    icon=":material/edit:",
                    type="tertiary",
                    on_click=begin_edit,
                    args=(index,),
                    disabled=chat.running,
                )
            return
        st.text_area("Edited prompt", turn.prompt, key=f"edit_{index}", label_visibility="collapsed")
        with st.container(horizontal=True):
            st.button("Send again", key="resend", on_click=resend, args=(index,))
            st.button("Cancel", key="cancel_edit", on_click=begin_edit, args=(None,))
            if index + 1 < len(turns):
                st.caption("Replaces this prompt and everything after it.")


def look_s(turn: Turn) -> float:
    snapshot = service.snapshot(turn.comparison_id) if turn.comparison_id else None
    return WAITING_S if snapshot and snapshot.place else REFRESH_S


def show_running(turn: Turn, key: str, every_s: float) -> None:
    """Only looks: the comparison lives in the service, and goes on whatever happens to this page."""
    comparison = turn.comparison_id
    snapshot = service.snapshot(comparison) if comparison else None
    if snapshot and not snapshot.done and not snapshot.place and every_s == WAITING_S:
        st.rerun()  # its turn has come: look more often
    if snapshot is None or snapshot.done:
        turn.lanes, turn.comparison_id = (snapshot.lanes if snapshot else turn.lanes), None
        st.rerun()
    turn.lanes = snapshot.lanes
    show_turn(turn, key, place=snapshot.place, wait_s=snapshot.wait_s, stop=partial(service.cancel, snapshot.id))


def show_last_actions(last: Turn) -> None:
    with st.container(horizontal=True):
        st.button("Regenerate", key="again", icon=":material/refresh:", on_click=again, args=(0,))
        st.button("Another seed", key="reseed", icon=":material/casino:", on_click=again, args=(1,))
        show_share(turns)
        show_export(turns)
    if sum(bool(lane.text) for lane in last.lanes) >= MIN_LANES:
        show_difference(last.lanes, str(len(turns)))


follow_link()
if turns and st.query_params.get("chat") != chat.id:
    st.query_params.from_dict({"chat": chat.id})
for problem in state.get("link_problems", ()):
    say_warning(problem, ":material/link_off:")

first_visit = not turns and runtime.list_runs().of(visitor) is None
if first_visit:
    show_first_page(ask_from_library)
show_models(disabled=chat.running)
with st.container(horizontal=True, vertical_alignment="center"):
    show_settings()
    show_library(ask_from_library, disabled=chat.running)
    show_list_form(disabled=chat.running)
    show_lane_buttons(disabled=chat.running)
    plain_switch()
    st.button("Clear", key="clear", icon=":material/delete_sweep:", on_click=clear, disabled=not turns)
    st.button(
        "Stop all",
        key="stop_all",
        icon=":material/stop_circle:",
        on_click=stop,
        disabled=not chat.running,
    )

if first_visit:
    show_first_pair()
    st.caption(
        "One prompt, all models. They share the processor in equal time, and each rate counts its own time only."
    )

show_list(visitor)
for index, turn in enumerate(turns):
    show_prompt(turn, index)
    if turn.comparison_id:
        every_s = look_s(turn)
        st.fragment(show_running, run_every=every_s)(turn, f"{chat.id[:8]}_{index}", every_s)
    else:
        show_turn(turn, f"{chat.id[:8]}_{index}")
if turns and not chat.running:
    show_last_actions(turns[-1])

if refusal := state.pop("refusal", None):
    say_error(refusal)

# Below a conversation the box stays at the window's end, and then Streamlit scrolls down to it: not on a first visit.
with st.container() if first_visit else st.bottom:
    st.chat_input(
        "A prompt for all models",
        key="prompt",
        on_submit=lambda: send(state.prompt or ""),
        disabled=chat.running,
    )
