"""Where prompts come from besides the keyboard: the suites, and lists."""

from collections.abc import Callable

import streamlit as st

from app import runtime
from app.chat.list_runs import ListRun, as_csv, as_rows, findings
from app.chat.prompt_list import COLUMN, MAX_PROMPTS, from_csv, pasted
from app.chat.suite_prompts import SuitePrompt, library
from app.views.say import say_error, say_quietly, say_warning
from app.views.settings import chosen_models, chosen_sampling, chosen_system
from data.errors import TradeoffError

LOOK_S = 1.0


def show_library(ask: Callable[[SuitePrompt], None], *, disabled: bool) -> None:
    """Pick one of the suites' prompts and ask it."""
    popover = st.popover(
        "Prompts", icon=":material/library_books:", key="library", on_change="rerun", disabled=disabled
    )
    if not popover.open:
        return
    with popover:
        suites = library()
        suite = st.selectbox("Suite", list(suites), key="library_suite")
        kinds = list(dict.fromkeys(each.prompt.kind for each in suites[suite]))
        kind = st.selectbox("Kind", kinds, key="library_kind")
        prompts = [each for each in suites[suite] if each.prompt.kind == kind]
        texts = {each.prompt.id: each for each in prompts}
        chosen = st.selectbox(
            "Prompt",
            list(texts),
            format_func=lambda it: texts[it].prompt.text if it in texts else it,
            key="library_prompt",
        )
        if chosen in texts:
            st.text(texts[chosen].prompt.text)
            st.button("Ask", key="library_ask", icon=":material/send:", on_click=ask, args=(texts[chosen],))
        st.caption("Replies to these can be graded.")


def show_list_form(*, disabled: bool) -> None:
    """Paste or upload a list, and run it over the chosen models."""
    popover = st.popover("A list", icon=":material/playlist_play:", key="list", on_change="rerun", disabled=disabled)
    if not popover.open:
        return
    with popover:
        st.text_area("Prompts, one a line", key="list_text", height=140, placeholder="What is 2 + 2?\nName a river.")
        st.file_uploader(f"Or a CSV with a column “{COLUMN}”", type=["csv"], key="list_file", max_upload_size=1)
        st.button("Run the list", key="run_list", icon=":material/play_arrow:", on_click=_start)
        st.caption(f"Each prompt by itself, to all chosen models; up to {MAX_PROMPTS}.")
        if problem := st.session_state.pop("list_problem", None):
            say_error(problem)


def show_list(visitor: str) -> None:
    """The table of this visitor's list: live while it runs, then still."""
    run = runtime.list_runs().of(visitor)
    if run is None:
        return
    if run.finished.is_set():
        _show_table(run, visitor)
    else:
        _show_live(run, visitor)


@st.fragment(run_every=LOOK_S)
def _show_live(run: ListRun, visitor: str) -> None:
    if run.finished.is_set():
        st.rerun()
    _show_table(run, visitor)


def _show_table(run: ListRun, visitor: str) -> None:
    done, whole, running = len(run.replies), len(run.prompts), not run.finished.is_set()
    with st.container(border=True):
        st.markdown(f"**List** · {done} of {whole} prompts")
        if running:
            st.progress(done / whole)
        if run.problem:
            say_warning(run.problem)
        if not running:
            for line in findings(run, runtime.labels()):
                say_quietly(line)
        rows = as_rows(run, runtime.labels())
        if rows:
            st.dataframe(rows, hide_index=True, alt="Prompts and every model's reply")
        with st.container(horizontal=True):
            if running:
                st.button("Stop the list", key="stop_list", icon=":material/stop_circle:", on_click=run.stopped.set)
            else:
                st.download_button(
                    "CSV", as_csv(rows), "tradeoff-list.csv", "text/csv", icon=":material/download:", on_click="ignore"
                )
                forget, arguments = runtime.list_runs().forget, (visitor,)
                st.button("Close", key="close_list", icon=":material/close:", on_click=forget, args=arguments)


def _start() -> None:
    state = st.session_state
    try:
        file = state.get("list_file")
        prompts = from_csv(file.getvalue(), file.name) if file else pasted(state.get("list_text", ""))
        models, sampling = chosen_models(), chosen_sampling()
        runtime.count("lists")
        runtime.list_runs().start(
            runtime.visitor(), prompts, models, system=chosen_system(), sampling=sampling, person=runtime.person()
        )
    except (TradeoffError, ValueError) as error:
        state.list_problem = str(error)
