"""A model of one's own: a file on this machine, or one of a repository's, and what comes next."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown
from app.library.choices import Choice, choices, recommended, rows
from app.views.say import say_quietly
from benchmarks.engine.machine import available_memory_bytes
from data.errors import ModelError
from data.hub.listing import list_models
from data.models.added import edited, file_entry, hub_entry, repository_name
from data.models.entries import ModelEntry
from data.models.fetch import local_path

_ROWS_SHOWN, _ROW_PX = 8, 36


def show_adding() -> None:
    with st.container(border=True, key="adding"):
        st.subheader("Add a model", anchor=False)
        left, right = st.columns(2, gap="large")
        with left:
            _show_file()
        with right:
            _show_repository()
        _show_added()


def _show_file() -> None:
    with st.form("add_file", border=False):
        st.text_input("Path of a GGUF on this machine", key="add_path", placeholder=str(Path.home() / "model.gguf"))
        st.form_submit_button("Add the file", on_click=_add_file, icon=":material/folder_open:")


def _show_repository() -> None:
    with st.form("add_hub", border=False):
        st.text_input("Or a repository on the Hub", key="add_repo", placeholder="OWNER/NAME-GGUF")
        st.form_submit_button("Show its files", on_click=_look, icon=":material/cloud_download:")
    if found := st.session_state.get("listing"):
        _show_files(*found)


def _show_files(repo: str, offered: list[Choice]) -> None:
    best, possible = recommended(offered), {each.file: each for each in offered if each.problem is None}
    height = _ROW_PX * (1 + min(_ROWS_SHOWN, len(offered)))
    size = st.column_config.NumberColumn(format="%.0f")
    st.dataframe(
        rows(offered), hide_index=True, height=height, column_config={"Size, MB": size}, alt=f"GGUF files of {repo}"
    )
    if not possible:
        st.caption("None of them can be taken.")
        return
    names = list(possible)
    st.selectbox(
        f"File of {repo}",
        names,
        names.index(best.file) if best else 0,
        format_func=lambda it: possible[it].title if it in possible else it,
        key=f"add_choice_{repo}",
    )
    if best is None:
        say_quietly("None of them fits in the memory that is available.")
    st.button("Add from the Hub", on_click=_add_from_hub, args=(repo, possible), icon=":material/add:")


def _show_added() -> None:
    """What was added last, and the way on: to be measured beside the models that are known."""
    entry = runtime.registry().get(st.session_state.get("just_added", ""))
    if entry is None:
        return
    st.success(inert_markdown(f"{entry.label} is on the list, as {entry.id}."))
    if local_path(entry, runtime.registry()):
        show_measure(entry, "measure_added")
    else:
        say_quietly("Its file is fetched at its first use, or now, below.")


def show_measure(entry: ModelEntry, key: str) -> None:
    if st.button("Measure it", key=key, icon=":material/speed:"):
        others = [model for model in runtime.default_pair() if model != entry.id]
        st.session_state.bench_models = [entry.id, *others]
        st.switch_page("app_pages/benchmark.py")


def show_editing(entry: ModelEntry) -> None:
    """Name and licence of a model that a person has added."""
    with st.popover("Name and licence", icon=":material/edit:"), st.form(f"edit_{entry.id}", border=False):
        st.text_input("Name", entry.label, key=f"label_{entry.id}")
        st.text_input("Licence", entry.licence, key=f"licence_{entry.id}")
        st.form_submit_button("Save", on_click=_edit, args=(entry,))


def _edit(entry: ModelEntry) -> None:
    state = st.session_state
    label, licence = state.get(f"label_{entry.id}", ""), state.get(f"licence_{entry.id}", "")
    _keep(lambda: edited(entry, label, licence, runtime.registry()), f"{entry.label} is changed.")


def _add_file() -> None:
    _add(lambda: file_entry(st.session_state.get("add_path", ""), runtime.registry()))


def _add_from_hub(repo: str, possible: dict[str, Choice]) -> None:
    choice = possible[st.session_state[f"add_choice_{repo}"]]
    _add(lambda: hub_entry(repo, choice.file, runtime.registry(), sha256=choice.sha256))


def _look() -> None:
    state = st.session_state
    state.listing = None
    try:
        _refuse_visitors()
        repo = repository_name(state.get("add_repo", ""))
        state.listing = (repo, choices(list_models(repo), available_memory_bytes()))
    except ModelError as error:
        state.models_problem = str(error)


def _add(make: Callable[[], ModelEntry]) -> None:
    if entry := _keep(make):
        st.session_state.just_added = st.session_state.model_shown = entry.id
        st.session_state.listing = None


def _keep(make: Callable[[], ModelEntry], note: str = "") -> ModelEntry | None:
    """Put what is made on the list; a refusal is kept for the page to show."""
    try:
        _refuse_visitors()
        entry = make()
        runtime.change_registry(added=entry)
    except ModelError as error:
        st.session_state.models_problem = str(error)
        return None
    st.session_state.models_note = note
    return entry


def _refuse_visitors() -> None:
    if not runtime.operator():
        raise ModelError("only the operator can add or change models")
