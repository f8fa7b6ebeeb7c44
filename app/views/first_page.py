"""What this is, for somebody who has never seen it: a picture, two models in words, and prompts to begin with."""

from collections.abc import Callable

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown
from app.chat.suite_prompts import SuitePrompt, examples
from app.library.words import in_words
from app.space.first_view import NAME, PURPOSE
from app.views.say import say_quietly
from app.views.settings import chosen_models

LOOK_S, PICTURE_PX = 1.0, 500


def show_first_page(ask: Callable[[SuitePrompt], None]) -> None:
    """Args:
    ask: Sends a suite's prompt to the chosen models.
    """
    st.title(NAME, anchor=False)
    st.markdown(PURPOSE)
    left, right = st.columns([5, 4], gap="large")
    with left:
        runtime.headline().look()
        waiting = runtime.headline().working
        st.fragment(_show_picture, run_every=LOOK_S if waiting else None)(waiting)
    with right:
        for model in dict.fromkeys(chosen_models()):
            words = inert_markdown(in_words(runtime.registry()[model], runtime.registry()))
            st.markdown(f"{runtime.named(model)}<br>:small[{words}]", unsafe_allow_html=True)
        _show_examples(ask)


def _show_picture(waiting: bool) -> None:
    if waiting and not runtime.headline().working:
        st.rerun()
    if drawn := runtime.first_picture(chosen_models(), runtime.ink()):
        svg, words = drawn
        st.image(svg, alt=words, width=PICTURE_PX)
    if sentence := runtime.headline().look().sentence:
        say_quietly(f"Measured: {sentence}")
        st.page_link("app_pages/results.py", label="The evidence", icon=":material/scatter_plot:")
    elif waiting:
        st.caption("What was measured is on its way …")


def _show_examples(ask: Callable[[SuitePrompt], None]) -> None:
    known = examples()
    if not known:
        return
    texts = [each.prompt.text for each, _ in known]
    chosen = st.radio("Try one that shows a difference", texts, captions=[why for _, why in known], key="example")
    wanted = next((each for each, _ in known if each.prompt.text == chosen), known[0][0])
    st.button("Start", key="start", icon=":material/play_arrow:", on_click=ask, args=(wanted,))
