"""Messages whose words may come from people, links or files: Streamlit would read them as Markdown."""

import streamlit as st

from app.chat.inert import inert_markdown


def say_error(text: str) -> None:
    st.error(inert_markdown(text), icon=":material/error:")


def say_warning(text: str, icon: str = ":material/warning:") -> None:
    st.warning(inert_markdown(text), icon=icon)


def say_info(text: str) -> None:
    st.info(inert_markdown(text), icon=":material/info:")


def say_quietly(text: str) -> None:
    st.caption(inert_markdown(text))
