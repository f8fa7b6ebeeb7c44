"""Results at a glance: every model's cost against its quality, the 2×2, the depth curve and the load curve."""

from typing import Any

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown
from app.results_cache import State, all_loads, factorial_of, points_of
from app.views.charts import show_chart, show_selectable
from app.views.samples import show_method, show_samples
from app.views.say import say_quietly, say_warning
from app.views.within import show_within
from benchmarks.analysis.depth import depth_points
from benchmarks.analysis.filters import Filters, options
from benchmarks.analysis.points import AXES
from benchmarks.charts.effects import factorial_chart, factorial_words
from benchmarks.charts.frame import colour_of
from benchmarks.charts.load import load_chart
from benchmarks.charts.scatter import scatter
from benchmarks.charts.speed import depth_chart
from benchmarks.runs.load import LoadCurve, latest
from benchmarks.runs.read import AGAIN, Run

ALL, BOTH = "most models", "both"
FILTERS = {
    "suites": "Suite",
    "kinds": "Kind of prompt",
    "quantizations": "Quantization",
    "ranks": "LoRA rank",
    "sizes": "Size",
}


def show_overview(state: State, runs: tuple[Run, ...]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        axis = st.selectbox(
            "Against quality", list(AXES), format_func=lambda it: AXES[it].title, key="results_axis", width=320
        )
        asked = show_asked(runs)
        choice = show_filters(runs)
        show_method(runs[:20], "overview")
    points = points_of(state, choice, str(axis), runs, asked)
    colours = colour_of(points["model"], order=list(runtime.registry()))
    picked: list[str] = []
    try:
        picked = show_selectable(scatter(points[points["alike"]], colours, axis=str(axis)), "quality")
    except ValueError as error:  # nothing to draw yet
        say_quietly(f"No chart: {error}.")
    better = "right" if AXES[str(axis)].more else "left"
    st.caption(
        f"Up and to the {better} is better. Lines are 95% intervals; where they overlap much, the runs do not tell the "
        "models apart. The dashed line is the Pareto frontier. Click a point for the answers behind it."
    )
    if apart := list(points.loc[~points["alike"] & points["accuracy"].notna(), "label"]):
        say_quietly(f"Not drawn, because they have not answered the same prompts: {', '.join(map(str, apart))}.")
    show_points_table(points)
    show_within(state, choice, list(points.loc[points["alike"], "model"]), runs, "overview")
    show_picked(points, picked, runs)
    show_square(state, runs)
    show_depth(runs)
    show_load()


def show_asked(runs: tuple[Run, ...]) -> tuple[str, ...]:
    """Whose prompts count: a model that was asked few can be drawn beside those that were asked many."""
    names = {model: run.label(model) for run in reversed(runs) for model in run.by_model if not model.endswith(AGAIN)}
    pair = runtime.default_pair()
    measured = all(model in names for model in pair)
    options = [ALL, *([BOTH] if measured else []), *names]
    words = {BOTH: " and ".join(names.get(model, model) for model in pair)}
    chosen = st.selectbox(
        "On the prompts that were asked of",
        options,
        next((options.index(each) for each in (BOTH, pair[0]) if each in options), 0),
        format_func=lambda it: words.get(it) or names.get(it, it),
        key="results_asked",
        width=360,
    )
    return {ALL: (), BOTH: pair}.get(str(chosen), (str(chosen),))


def show_filters(runs: tuple[Run, ...]) -> Filters:
    popover = st.popover("Filter", icon=":material/filter_alt:", key="filter", on_change="rerun")
    if popover.open:
        possible = options(runs)
        with popover:
            for name, title in FILTERS.items():
                st.pills(title, possible[name], selection_mode="multi", key=f"filter_{name}", persist_state="session")
            st.pills("Speeds from (newest first)", possible["machine"], key="filter_machine", persist_state="session")
    chosen = {name: tuple(st.session_state.get(f"filter_{name}") or ()) for name in FILTERS}
    return Filters(**chosen, machine=st.session_state.get("filter_machine"))


def _columns() -> dict[str, Any]:
    def number(title: str, form: str) -> Any:
        return st.column_config.NumberColumn(title, format=form)

    return {
        "label": "Model",
        "accuracy": number("Share correct", "percent"),
        "of": "Correct / graded",
        "decode_tok_per_s": number("Decode tok/s", "%.1f"),
        "characters_per_s": number("Characters/s", "%.0f"),
        "prefill_tok_per_s": number("Prefill tok/s", "%.0f"),
        "ttft_s": number("TTFT (s)", "%.2f"),
        "answer_s": number("Seconds per answer", "%.2f"),
        "s_per_correct_answer": number("Seconds per correct answer", "%.2f"),
        "usd_per_correct_answer": number("Dollars per correct answer", "%.5f"),
        "p_on_frontier": number("P(on the frontier)", "%.2f"),
        "peak_rss_gb": number("Peak memory (GB)", "%.2f"),
        "file_mb": number("File (MB)", "%.0f"),
        "truncated": "Cut off by the limit",
        "bounds": "If those were wrong / right",
        "looped": "Looped",
        "ungradable": "Not gradable",
        "errors": "Errors",
        "noisy": "Noisy samples",
        "note": "From",
    }


def _columns_without_prices() -> dict[str, Any]:
    return {name: column for name, column in _columns().items() if name != "usd_per_correct_answer"}


def show_points_table(points: Any) -> None:
    columns = _columns() if points["usd_per_correct_answer"].notna().any() else _columns_without_prices()
    shown = points.assign(
        of=points["correct"].astype(str) + " / " + points["n"].astype(str),
        peak_rss_gb=points["peak_rss_bytes"] / 1e9,
        file_mb=points["file_size_bytes"] / 1e6,
    )
    st.dataframe(
        shown,
        hide_index=True,
        column_order=list(columns),
        column_config=columns,
        placeholder="–",
        alt="Figures of every model",
    )
    st.download_button(
        "These figures, as CSV",
        points.to_csv(index=False),
        "tradeoff-results.csv",
        "text/csv",
        key="download_points",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )


def show_picked(points: Any, picked: list[str], runs: tuple[Run, ...]) -> None:
    """The answers of the selected points, or of the model that is chosen without a mouse."""
    by_id = {run.id: run for run in runs}
    names = dict(zip(points["model"], points["label"], strict=True))
    chosen = st.pills("Answers of", list(names), format_func=lambda it: names.get(it, it), key="answers_of")
    for model in dict.fromkeys([*picked, *([str(chosen)] if chosen in names else [])]):
        for run_id in points.loc[points["model"] == model, "run_id"]:
            if run_id in by_id:
                st.subheader(f"Answers of {inert_markdown(names[model])}", anchor=False)
                show_samples(by_id[run_id], model, key=f"picked_{model}")


def show_square(state: State, runs: tuple[Run, ...]) -> None:
    found = factorial_of(state, None, runs)
    if found is None:
        return
    run, effects = found
    st.subheader("Size against rank", anchor=False)
    show_chart(factorial_chart(effects), "square")
    say_quietly(f"{factorial_words(effects)} From run {run.id}.")


def show_depth(runs: tuple[Run, ...]) -> None:
    for run in runs:
        if points := depth_points(run):
            st.subheader("Speed after a long context", anchor=False)
            colours = colour_of([point.model for point in points], order=list(runtime.registry()))
            show_chart(depth_chart(points, colours), "depth")
            say_quietly(f"From run {run.id}.")
            return


def show_load() -> None:
    """How many users a model serves: a chart a place, and the sentences; nothing where nothing was measured."""
    curves, problems = all_loads()
    for problem in problems:
        say_warning(problem)
    if not curves:
        return
    st.subheader("How many users it serves", anchor=False)
    for number, (where, mine) in enumerate(latest(curves).items()):
        _show_place(where, mine, f"load_{number}")


def _show_place(where: str, curves: list[LoadCurve], key: str) -> None:
    for curve in curves:
        said = curve.said_of(runtime.label(curve.model))
        st.text(f"{said[0].upper()}{said[1:]}.")
    try:
        colours = colour_of([curve.model for curve in curves], order=list(runtime.registry()))
        show_chart(load_chart(curves, runtime.labels(), colours), key)
    except ValueError as error:
        say_quietly(f"No chart: {error}.")
    noisy = any(level.noisy for curve in curves for level in curve.levels)
    say_quietly(
        f"On {where}. Each asks a prompt, reads the answer, and asks the next at once; the dashed line is "
        f"{curves[0].at_least:g} tokens/s." + (" Something else ran beside some of it." if noisy else "")
    )
