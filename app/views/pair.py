"""Two models: the verdict, the prompts that only one got right, and the steps from the base."""

import streamlit as st

from app import runtime
from app.chat.inert import inert_markdown
from app.chat.suite_prompts import prompt_text
from app.results_cache import State, verdict_of, waterfall_of
from app.views.charts import show_chart
from app.views.reply import show_text
from app.views.samples import show_method
from app.views.say import say_info, say_quietly
from app.views.within import show_within
from benchmarks.analysis.figures import machine_of
from benchmarks.analysis.filters import Filters
from benchmarks.analysis.verdict import ALL_SUITES, Verdict, verdict_figures
from benchmarks.charts.effects import waterfall_chart, waterfall_words
from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.flips import Flip, flip_table


def show_pair(state: State, runs: tuple[Run, ...]) -> None:
    models = list(dict.fromkeys(row.model for run in runs for row in run.rows if row.grade is not None))
    if len(models) < 2:
        st.caption("A verdict needs two models with graded answers.")
        return
    pair = [model for model in reversed(runtime.default_pair()) if model in models]
    first = [*pair, *(model for model in models if model not in pair)][:2]
    left, right, last = st.columns(3)
    a = str(left.selectbox("Model", models, models.index(first[0]), format_func=runtime.label, key="pair_a"))
    b = str(right.selectbox("Against", models, models.index(first[1]), format_func=runtime.label, key="pair_b"))
    suites = sorted({row.suite for run in runs for row in run.rows if row.grade is not None})
    suite = str(last.selectbox("On", [ALL_SUITES, *suites], key="pair_suite"))
    if a == b:
        st.caption("Choose two different models.")
        return
    wanted = None if suite == ALL_SUITES else suite
    found = verdict_of(state, a, b, wanted, runs)
    if isinstance(found, str):
        say_info(found)
        return
    show_verdict(found)
    show_method([found.run], "pair")
    both_files = [found.run.by_model[model][0].model_sha256 for model in (a, b)]
    choice = Filters(suites=(wanted,) if wanted else (), machine=machine_of(runs, both_files))
    ours = (f"{found.label_a}: ", f"{found.label_b}: ", f"{found.label_a} ", f"{found.label_b} ")
    show_within(state, choice, [a, b], runs, "pair", lambda problem: problem.startswith(ours))
    show_flips(found, wanted)
    show_waterfall(state, a, wanted, runs)


def show_verdict(found: Verdict) -> None:
    with st.container(border=True):
        st.text(found.sentence)
        figures = verdict_figures(found)
        for column, names in zip(st.columns(2), (list(figures)[:3], list(figures)[3:]), strict=True):
            column.table({"": {name: figures[name] for name in names}}, border="horizontal")
        st.caption(f"Quality from run {found.run.id}; paired by prompt, clustered by template, McNemar's exact test.")


def show_flips(found: Verdict, suite: str | None) -> None:
    try:
        flips = flip_table(found.run, found.a, found.b, suite=suite, condition=found.quality.condition)
    except RunError as error:
        say_quietly(str(error))
        return
    only_a = [flip for flip in flips if flip.grade_a > flip.grade_b]
    st.subheader("Where they differ", anchor=False)
    names = [found.label_a, found.label_b]
    say_quietly(f"{len(only_a)} prompts only {names[0]} got right, {len(flips) - len(only_a)} only {names[1]}.")
    if not flips:
        return
    places = {f"{flip.suite} · {flip.prompt_id} · {flip.repetition}": flip for flip in [*only_a, *flips]}
    chosen = st.selectbox(
        "A prompt closely", list(places), key="flip", format_func=lambda it: flip_title(places[it], names)
    )
    show_flip(places[str(chosen)], names)
    st.dataframe(
        [flip_row(flip, names) for flip in places.values()], hide_index=True, alt="Prompts with one right answer"
    )


def flip_title(flip: Flip, names: list[str]) -> str:
    return f"{flip.prompt_id}: only {names[0] if flip.grade_a > flip.grade_b else names[1]}"


def flip_row(flip: Flip, names: list[str]) -> dict[str, object]:
    row: dict[str, object] = {"prompt": flip.prompt_id, "kind": flip.kind}
    row |= {"only right": names[0] if flip.grade_a > flip.grade_b else names[1]}
    return row | {f"{names[0]} says": flip.answer_a, f"{names[1]} says": flip.answer_b}


def show_flip(flip: Flip, names: list[str]) -> None:
    if text := prompt_text(flip.suite, flip.prompt_id):
        with st.chat_message("user", avatar=":material/person:"):
            st.text(text)
    sides = (
        (names[0], flip.answer_a, flip.grade_a, flip.reason_a),
        (names[1], flip.answer_b, flip.grade_b, flip.reason_b),
    )
    for index, (column, (name, answer, grade, reason)) in enumerate(
        zip(st.columns(2, border=True), sides, strict=True)
    ):
        with column:
            right = grade >= 1
            st.badge("Right" if right else "Wrong", color="green" if right else "red", icon=icon_of(right))
            st.text(name)
            if answer:
                show_text(answer, f"flip_{index}")
            st.text(reason or ("" if answer else "No text."))


def icon_of(right: bool) -> str:
    return ":material/check:" if right else ":material/close:"


def show_waterfall(state: State, model: str, suite: str | None, runs: tuple[Run, ...]) -> None:
    steps = waterfall_of(state, model, suite, runs)
    st.subheader(f"From the base to {inert_markdown(runtime.label(model))}", anchor=False)
    if isinstance(steps, str):
        say_quietly(f"No steps to show: {steps}.")
        return
    show_chart(waterfall_chart(steps), "waterfall")
    say_quietly(waterfall_words(steps))
