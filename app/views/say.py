"""Messages whose words may come from people, links or files: Streamlit would read them as Markdown.

Paths of the machine are for its operator.
"""

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown, without_folders


def say_error(text: str) -> None:
    st.error(_inert(text), icon=":material/error:")


def say_warning(text: str, icon: str = ":material/warning:") -> None:
    st.warning(_inert(text), icon=icon)


def say_info(text: str) -> None:
    st.info(_inert(text), icon=":material/info:")


def say_quietly(text: str) -> None:
    st.caption(_inert(text))


def _inert(text: str) -> str:
    return inert_markdown(text if runtime.operator() else without_folders(text))
