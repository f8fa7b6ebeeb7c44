"""Which models, and how they write: the controls above a comparison."""

from dataclasses import replace
from typing import Any

import streamlit as st

from app import runtime
from app.chat.conversation import MAX_LANES, MIN_LANES
from app.chat.inert import inert_markdown
from app.chat.sampling import CONTROLS, sampling_of
from app.library.facts import template_switches
from app.library.words import picker_name
from benchmarks.engine.chat_template import read_switches
from benchmarks.engine.contract import Sampling, TemplateSwitch
from benchmarks.engine.limits import MAX_STOP_CHARACTERS, MAX_STOPS
from data.json_schema import MOST_CHARACTERS, checked
from data.models.fetch import local_path

LETTERS = "ABCD"


def model_name(model_id: str) -> str:
    """A model in a list: what it is, what was measured, and whether it has to be fetched first."""
    entry = runtime.registry()[model_id]
    here = local_path(entry, runtime.registry()) is not None
    return picker_name(entry, runtime.headline().measured.figures(entry), here=here)


def chosen_models() -> tuple[str, ...]:
    """Ids of the lanes' models, left to right."""
    state, count = st.session_state, st.session_state.get("lane_count", MIN_LANES)
    return tuple(_chosen(state, lane, default) for lane, default in enumerate(_defaults(count)))


def _chosen(state: Any, lane: int, default: str) -> str:
    """A lane's model. Streamlit knows an option by its text: where that has changed, as when a model was fetched or
    measured, it gives the old text, and what was chosen before counts."""
    wanted = (state.get(f"model_{lane}"), state.get(f"kept_{lane}"), default)
    return next(str(model) for model in wanted if model in runtime.registry())


def chosen_sampling() -> tuple[Sampling, ...]:
    """One for each lane, shared or its own.

    Raises:
        ValueError: A setting that makes no sense.
    """
    count = st.session_state.get("lane_count", MIN_LANES)
    shared = st.session_state.get("shared_sampling", True)
    switches, schema = _chosen_switches(), checked(st.session_state.get("json_schema", ""))
    return tuple(
        replace(
            sampling_of(st.session_state, "" if shared else f"_{lane}"), template_switches=switches, json_schema=schema
        )
        for lane in range(count)
    )


def _chosen_switches() -> tuple[tuple[str, TemplateSwitch], ...]:
    switches = read_switches(st.session_state.get("template_switches", "").splitlines())
    known = _known_switches()
    if unknown := [name for name, _ in switches if name not in known]:
        raise ValueError(f"the chat templates have no setting {unknown[0]!r}; known: {', '.join(known) or 'none'}")
    return switches


def _known_switches() -> list[str]:
    registry = runtime.registry()
    return sorted({name for model in chosen_models() for name in template_switches(registry[model], registry)})


def chosen_system() -> str:
    return str(st.session_state.get("system", ""))


def show_models(*, disabled: bool) -> None:
    """One selector a lane."""
    options = list(runtime.registry())
    count = st.session_state.setdefault("lane_count", MIN_LANES)
    runtime.headline().look()
    for lane, (column, default) in enumerate(zip(st.columns(count), _defaults(count), strict=True)):
        st.session_state[f"model_{lane}"] = _chosen(st.session_state, lane, default)
        st.session_state[f"kept_{lane}"] = column.selectbox(
            f"Model {LETTERS[lane]}",
            options,
            format_func=model_name,
            help=_measured_where(),
            key=f"model_{lane}",
            persist_state="session",
            disabled=disabled,
        )


def _measured_where() -> str | None:
    measured = runtime.headline().measured
    if not measured.spots:
        return None
    return inert_markdown(
        f"Tokens a second on {measured.machine}; the share of {measured.prompts:,} graded prompts that was right."
    )


def show_lane_buttons(*, disabled: bool) -> None:
    count = st.session_state.lane_count
    st.button(
        "Add a model",
        key="add_lane",
        icon=":material/add_column_right:",
        on_click=_change_lanes,
        args=(1,),
        disabled=disabled or count >= MAX_LANES,
    )
    if count > MIN_LANES:
        st.button(
            "Remove the last",
            key="remove_lane",
            icon=":material/remove:",
            on_click=_change_lanes,
            args=(-1,),
            disabled=disabled,
        )


def show_settings() -> None:
    """System prompt and sampling, for all lanes or each."""
    with st.popover("Settings", icon=":material/tune:"):
        st.text_area(
            "System prompt",
            key="system",
            persist_state="session",
            placeholder="Empty: the models' own default",
            height=80,
        )
        if known := _known_switches():
            st.text_area(
                "Chat template's settings, one a line",
                key="template_switches",
                persist_state="session",
                placeholder=f"{known[0]}=false",
                help=f"For the models whose template knows them: {', '.join(known)}",
                height=68,
            )
        st.text_area(
            "JSON schema",
            key="json_schema",
            persist_state="session",
            placeholder='{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}',
            help="Every reply is held to its types, properties, choices and lengths as it is written, not to the "
            "bounds of numbers; empty lets them write freely",
            max_chars=MOST_CHARACTERS,
            height=80,
        )
        shared = st.toggle("The same sampling for all", value=True, key="shared_sampling", persist_state="session")
        if shared:
            _show_sampling("")
        else:
            models = chosen_models()
            for lane, tab in enumerate(st.tabs([f"Model {LETTERS[lane]}" for lane in range(len(models))])):
                with tab:
                    _show_sampling(f"_{lane}")


def _show_sampling(end: str) -> None:
    columns = st.columns(2)
    kept: dict[str, Any] = {"persist_state": "session"}
    for place, (name, control) in enumerate(CONTROLS.items()):
        draw = columns[place % 2].slider if isinstance(control.default, float) else columns[place % 2].number_input
        limits = (control.least, control.most, control.default, control.step)
        draw(control.title, *limits, key=f"{name}{end}", help=control.help, **kept)
    most = MAX_STOPS * (MAX_STOP_CHARACTERS + 1)
    columns[1].text_area("Stop strings, one a line", key=f"stop{end}", height=68, max_chars=most, **kept)


def _defaults(count: int) -> list[str]:
    pair = list(st.session_state.setdefault("first_pair", runtime.default_pair()))  # a tab keeps its models
    others = [model for model in runtime.registry() if model not in pair]
    return (pair + others + pair * MAX_LANES)[:count]


def _change_lanes(by: int) -> None:
    st.session_state.lane_count = min(MAX_LANES, max(MIN_LANES, st.session_state.lane_count + by))
