"""How replies are shown: side by side, with their figures."""

from collections.abc import Callable, Sequence
from html import escape

import streamlit as st

from app import runtime
from app.chat.conversation import Turn
from app.chat.diff import MAX_WORDS, as_html, is_cut, shared_share, word_diff
from app.chat.lanes import Lane
from app.chat.race import outcome, race, race_words
from app.chat.reply_facts import details, statistics_line, status_line
from app.chat.suite_prompts import find, grade_reply
from app.views.reply import show_text
from app.views.say import say_error
from app.views.settings import LETTERS
from benchmarks.graders import Grade

RACE_PX = 420
VERDICTS = {1.0: ("Right", "green", ":material/check:"), 0.0: ("Wrong", "red", ":material/close:")}


def show_turn(
    turn: Turn,
    key: str,
    *,
    place: int | None = None,
    wait_s: float | None = None,
    stop: Callable[[int], None] | None = None,
) -> None:
    """The replies to one prompt, a column each, under the race that they run and what came of it."""
    _show_race(turn)
    columns = st.columns(len(turn.model_ids), border=True)
    for index, (column, model_id) in enumerate(zip(columns, turn.model_ids, strict=True)):
        with column:
            st.markdown(f":small[**{LETTERS[index]}** {runtime.named(model_id)}]", unsafe_allow_html=True)
            lane = turn.lanes[index] if index < len(turn.lanes) else None
            show_reply(lane, f"{key}_{index}", place=place, wait_s=wait_s)
            if index < len(turn.lanes):
                _show_buttons(turn, turn.lanes[index], f"{key}_{index}", index, stop)


def _show_race(turn: Turn) -> None:
    names = LETTERS[: len(turn.lanes)]
    if not all(lane.done for lane in turn.lanes):
        palette = runtime.colours(turn.model_ids)
        colours = [palette[lane.model_id] for lane in turn.lanes]
        if drawn := race(turn.lanes, names, colours, ink=runtime.ink()):
            st.image(drawn, alt=race_words(turn.lanes, names), width=RACE_PX)
        return
    grades = [_grade_word(turn.prompt, lane) for lane in turn.lanes]
    if line := outcome(turn.lanes, names, grades):
        st.html(f"<p role='status'>{escape(line)}</p>")


def _grade_word(prompt: str, lane: Lane) -> str | None:
    """None where the prompt is no suite's, or there is no reply."""
    grade = grade_reply(prompt, lane.text) if lane.text else None
    return _verdict(grade)[0].lower() if grade else None


def _verdict(grade: Grade) -> tuple[str, str, str]:
    """A grade's word, colour and icon."""
    if grade.value is None:
        return "Not gradable", "gray", ":material/help:"
    return VERDICTS.get(grade.value, ("Partly", "orange", ":material/rule:"))


def show_reply(lane: Lane | None, key: str, *, place: int | None = None, wait_s: float | None = None) -> None:
    """One lane: the text, and the statistics below it."""
    if lane is None:
        st.caption("This comparison is gone; send the prompt again.")
        return
    if lane.text:
        show_text(lane.text, key, finished=lane.done, lane=lane)
    elif not lane.done:
        st.caption(f":material/hourglass_empty: {status_line(lane, place, wait_s)}")
        if lane.stage in ("fetching", "loading") and lane.total_bytes:
            st.progress(min(1.0, lane.done_bytes / lane.total_bytes))
    if lane.error:
        say_error(lane.error)
    elif lane.done and not lane.text:
        st.caption("No text: the model ended its turn at once." if lane.reason == "stop" else "No text.")
    if line := statistics_line(lane):
        st.caption(line)


def _show_buttons(turn: Turn, lane: Lane, key: str, index: int, stop: Callable[[int], None] | None) -> None:
    with st.container(horizontal=True, gap="small"):
        if stop is not None and not lane.done:
            name = f"Stop {LETTERS[index]}"
            st.button(name, key=f"stop_{key}", icon=":material/stop:", on_click=stop, args=(index,), type="tertiary")
        if lane.text or lane.done:
            _show_details(lane, key)
        if lane.done and lane.text and find(turn.prompt):
            _show_grade(turn, lane, key)


def _show_details(lane: Lane, key: str) -> None:
    popover = st.popover(
        "Details", icon=":material/query_stats:", type="tertiary", key=f"details_{key}", on_change="rerun"
    )
    if not popover.open:
        return
    with popover:
        if len(lane.rates) > 1:
            st.metric(
                "Decode rate while writing",
                f"{lane.decode_tok_per_s or lane.rates[-1]:.1f} tok/s",
                chart_data=lane.rates,
                chart_type="line",
            )
        st.table({"": details(lane)}, border="horizontal")


def _show_grade(turn: Turn, lane: Lane, key: str) -> None:
    if not st.session_state.get(f"graded_{key}"):
        st.button(
            "Grade", key=f"grade_{key}", icon=":material/rule:", type="tertiary", on_click=_ask_grade, args=(key,)
        )
        return
    if (grade := grade_reply(turn.prompt, lane.text)) is not None:
        verdict, colour, icon = _verdict(grade)
        st.badge(verdict, color=colour, icon=icon)  # type: ignore[arg-type]
        st.text(grade.reason)


def _ask_grade(key: str) -> None:
    st.session_state[f"graded_{key}"] = True


def show_difference(lanes: Sequence[Lane], key: str) -> None:
    """Two replies of one turn, word by word."""
    expander = st.expander("Word by word", icon=":material/difference:", key=f"difference_{key}", on_change="rerun")
    if not expander.open:
        return
    with expander:
        names = {index: f"{LETTERS[index]}: {runtime.label(lane.model_id)}" for index, lane in enumerate(lanes)}
        before, after = 0, 1
        if len(lanes) > 2:
            left, right = st.columns(2)
            before = left.selectbox("From", list(names), format_func=names.__getitem__, key=f"from_{key}")
            after = right.selectbox("To", list(names), 1, format_func=names.__getitem__, key=f"to_{key}")
        texts = lanes[before].text, lanes[after].text
        segments = word_diff(*texts)
        share = shared_share(segments)
        st.html(f"<div dir='auto' style='white-space: pre-wrap'>{as_html(segments)}</div>")
        st.caption(
            f"Struck through: only in {names[before]}. Underlined: only in {names[after]}. "
            + (f"{share:.0%} of the words are shared." if share is not None else "Both are empty.")
            + (f" Only the first {MAX_WORDS} words of each are compared." if any(map(is_cut, texts)) else "")
        )
