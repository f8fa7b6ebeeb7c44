"""The line that says how far the real models are, above the first comparison."""

import streamlit as st

from app import runtime

LOOK_S = 2.0


def show_first_pair() -> None:
    """Until they are here; the operator can stop it."""
    first = runtime.first_pair()
    first.try_again()
    st.fragment(_show, run_every=LOOK_S if first.running else None)()


def _show() -> None:
    first = runtime.first_pair()
    if (line := first.says) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(line)
        if first.running and runtime.operator():
            st.button("Cancel", key="cancel_first_pair", icon=":material/stop_circle:", on_click=first.cancel)
