"""Arena: two unnamed models, one prompt, one vote."""

import os
import random
import time

import streamlit as st

from app import runtime
from app.arena.battle import Battle, can_battle, draw_pair
from app.arena.vote_backup import banner
from app.arena.vote_store import VotedAlready
from app.chat.conversation import lane_requests
from app.chat.reply_facts import ENDINGS, statistics_line, status_line
from app.chat.suite_prompts import library
from app.views.reply import plain_switch, show_text
from app.views.say import say_error, say_warning
from app.views.standing import show_standing
from benchmarks.engine.contract import Sampling
from benchmarks.statistics.votes import Outcome
from data.errors import TradeoffError
from data.models.fetch import local_path

REFRESH_S, WAITING_S = 0.3, 1.0
SAMPLING = Sampling(temperature=0.6, top_p=0.9, max_tokens=256)
SIDES = ("Left", "Right")
CHOICES: tuple[tuple[Outcome, str, str], ...] = (
    ("a", "Left is better", ":material/arrow_back:"),
    ("b", "Right is better", ":material/arrow_forward:"),
    ("tie", "A tie", ":material/equal:"),
    ("both_bad", "Both are bad", ":material/thumb_down:"),
)

state, service, registry = st.session_state, runtime.service(), runtime.registry()
battle: Battle | None = state.setdefault("battle", None)


def begin(prompt: str) -> None:
    """Draw a pair and ask it, unseen."""
    rng = random.SystemRandom()
    here = [each for each, entry in registry.items() if can_battle(entry) and local_path(entry, registry)]
    try:
        if not prompt.strip():
            raise ValueError("the prompt is empty; write something first")
        pair = draw_pair(here, rng)
        sampling = [Sampling(**{**vars(SAMPLING), "seed": rng.randrange(2**32)})] * 2
        requests = lane_requests([], prompt.strip(), pair, system="", sampling=sampling)
        runtime.count("comparisons")
        comparison = service.compare(runtime.visitor(), requests, person=runtime.person())
    except (TradeoffError, ValueError) as error:
        state.arena_problem = str(error)
        return
    state.battle = Battle(prompt=prompt.strip(), model_ids=pair, comparison_id=comparison)


def begin_random() -> None:
    prompts = [each.prompt.text for suite in library().values() for each in suite]
    begin(random.choice(prompts))


def vote(current: Battle, outcome: Outcome) -> None:
    """Store the vote, then reveal; a second one for the same battle changes nothing."""
    try:
        runtime.count("votes")
        runtime.votes().add(current.as_vote(outcome))
    except VotedAlready as error:
        state.arena_problem = str(error)
        current.vote = current.vote or outcome
        return
    except TradeoffError as error:
        state.arena_problem = f"the vote is not stored: {error}"
        return
    current.vote = outcome
    if backup := runtime.vote_backup():
        backup.vote_added()


def skip() -> None:
    if state.battle is not None:
        service.cancel(state.battle.comparison_id)
    state.battle = None


def look_s(current: Battle) -> float:
    """Slowly while both are written unseen."""
    return REFRESH_S if current.lanes else WAITING_S


def show_unfinished(current: Battle, every_s: float) -> None:
    """Waits for both ends, then plays both at one pace; tells nothing of who is faster."""
    now = time.monotonic()
    if not current.lanes:
        snapshot = service.snapshot(current.comparison_id)
        if snapshot is None or snapshot.done:
            current.lanes, current.play_started = (snapshot.lanes if snapshot else ()), now
            if snapshot is None:
                state.battle = None
    if state.battle is None or current.failed or current.stage(now) == "voting" or look_s(current) != every_s:
        st.rerun()
    show_sides(current, current.shown_texts(now))


def waiting_line(current: Battle) -> str:
    snapshot = service.snapshot(current.comparison_id, renew=False)
    if snapshot and snapshot.place:
        return f"{status_line(snapshot.lanes[0], snapshot.place, snapshot.wait_s)}."
    return "Both replies are being written. You see them when both are done."


def show_sides(current: Battle, texts: tuple[str, ...]) -> None:
    for index, (column, side) in enumerate(zip(st.columns(2, border=True), SIDES, strict=True)):
        with column:
            if current.vote is not None:
                st.markdown(f":small[{side}: {runtime.named(current.model_ids[index])}]", unsafe_allow_html=True)
            else:
                st.markdown(f":small[{side}]")
            if texts:
                show_side(current, index, texts[index])
            else:
                st.caption(f":material/hourglass_empty: {waiting_line(current)}")
            if current.vote is not None:
                st.caption(statistics_line(current.lanes[index]))


def show_side(current: Battle, index: int, text: str) -> None:
    """A reply as far as it is played; what its thinking took is told with the name."""
    lane = current.lanes[index]
    show_text(
        text, f"{current.id[:8]}_{index}", finished=text == lane.text, lane=lane if current.vote is not None else None
    )


def what_failed(current: Battle) -> str:
    """Why a side has no reply, without a word of which model it was."""
    for side, lane in zip(SIDES, current.lanes, strict=True):
        if lane.reason != "stop" or not lane.text:
            return f"{side.lower()} {'has no text' if lane.reason == 'stop' else ENDINGS[lane.reason or 'error']}"
    return "a side has no reply"


def show_battle(current: Battle) -> None:
    plain_switch()
    with st.chat_message("user", avatar=":material/person:"):
        st.text(current.prompt)
    stage = current.stage(time.monotonic())
    if current.failed:
        say_warning(f"There is nothing to vote on: {what_failed(current)}.")
    elif stage in ("writing", "playing"):
        every_s = look_s(current)
        st.fragment(show_unfinished, run_every=every_s)(current, every_s)
    else:
        show_sides(current, tuple(lane.text for lane in current.lanes))
    with st.container(horizontal=True):
        for outcome, title, icon in CHOICES if current.vote is None and not current.failed else ():
            st.button(
                title,
                key=f"vote_{outcome}",
                icon=icon,
                on_click=vote,
                args=(current, outcome),
                disabled=stage != "voting",
            )
        title = "Next battle" if current.vote is not None or current.failed else "Skip"
        st.button(title, key="next_battle", icon=":material/skip_next:", on_click=skip)


if note := banner(os.environ):
    say_warning(note, ":material/cloud_off:")
battle_tab, standing_tab = st.tabs(["Battle", "Standing"], key="arena_tab", on_change="rerun")
with battle_tab:
    if battle is None:
        st.caption(
            "Two models answer your prompt, unnamed and on random sides. Both replies are played at one pace, so that "
            "speed gives nothing away. Vote, and see who wrote what."
        )
        st.button(
            "A prompt from the suites",
            key="random_battle",
            icon=":material/casino:",
            on_click=begin_random,
        )
    else:
        show_battle(battle)
if standing_tab.open:
    with standing_tab:
        show_standing()
if problem := state.pop("arena_problem", None):
    say_error(problem)
if battle is None:
    st.chat_input(
        "Your own prompt for two unnamed models", key="arena_prompt", on_submit=lambda: begin(state.arena_prompt or "")
    )
