"""A model's reply as people read it: Markdown that does nothing else, its thinking folded, or the plain text."""

import streamlit as st

from app.chat.lanes import Lane
from app.chat.reply_facts import thinking_line
from app.replies.markdown import parts
from benchmarks.graders.visible import visible


def plain_switch() -> None:
    st.toggle(
        "Plain text",
        key="plain_text",
        persist_state="session",
        help="Replies letter by letter, as the model wrote them: no formatting, and its thinking not folded",
    )


def show_text(text: str, key: str, *, finished: bool = True, lane: Lane | None = None) -> None:
    """What a model wrote.

    Args:
        key: Of its own on the page.
        finished: False while it is being written.
        lane: Gives tokens and seconds of the thinking; without it they are left out.
    """
    with st.container(key=f"reply_{key}", gap="small"):
        if st.session_state.get("plain_text"):
            st.text(text)
            return
        said = visible(text)
        if said.thinking:
            _show_thinking(said.thinking, key, thinking_line(said, lane, finished=finished))
            if finished and not said.answer:
                st.caption("No answer follows.")
        _show_parts(said.answer if said.thinking else text, finished=finished)


def _show_thinking(text: str, key: str, line: str) -> None:
    expander = st.expander(line, icon=":material/psychology:", key=f"thinking_{key}", on_change="rerun")
    if expander.open:
        with expander:
            st.text(text)


def _show_parts(text: str, *, finished: bool) -> None:
    for part in parts(text, finished=finished):
        if part.kind == "prose":
            st.markdown(part.text)
        elif part.kind == "code":
            st.code(part.text, language=part.language or None)
        else:
            st.text(part.text)
