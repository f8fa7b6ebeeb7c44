"""Runs, and what is worked out from them: once per state of the files, shared by all visitors."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import runtime
from benchmarks.analysis.changes import Changes, compare_runs
from benchmarks.analysis.claims import Claim, claims
from benchmarks.analysis.figures import ModelFigures, gather, machine_for
from benchmarks.analysis.filters import Filters, narrowed, on_the_prompts_of
from benchmarks.analysis.names import renamed
from benchmarks.analysis.points import placed_points
from benchmarks.analysis.verdict import Verdict, verdict
from benchmarks.analysis.waterfall import WaterfallStep, waterfall
from benchmarks.analysis.within import Answers, Curve, all_answers, curve
from benchmarks.analysis.within_text import pair_text
from benchmarks.runs.load import LoadCurve, find_loads, read_load
from benchmarks.runs.on_disk import ReadRuns, fingerprint, load_runs
from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.factorial import Factorial, factorial
from data.models.entries import RegistryError
from data.paths import results_directories

if TYPE_CHECKING:
    import pandas as pd

State = tuple[Any, ...]


def all_runs() -> tuple[State, ReadRuns]:
    """Every run under its models' names of today, and a key that changes with the files and the names.

    What is returned is shared: nobody may change it.
    """
    directories = results_directories()
    state = (*fingerprint(directories), *runtime.labels().items())
    return state, _runs_as_of(state, tuple(map(str, directories)))


@st.cache_resource(show_spinner=False, max_entries=2)
def _runs_as_of(state: State, where: tuple[str, ...]) -> ReadRuns:
    found = load_runs([Path(directory) for directory in where])
    return replace(found, runs=renamed(found.runs, runtime.registry()))


def all_loads() -> tuple[list[LoadCurve], list[str]]:
    """Every load curve, and one line for each file that is none."""
    paths = find_loads(results_directories())
    return _loads_as_of(tuple((str(path), path.stat().st_mtime_ns) for path in paths))


@st.cache_resource(show_spinner=False, max_entries=2)
def _loads_as_of(state: tuple[tuple[str, int], ...]) -> tuple[list[LoadCurve], list[str]]:
    curves, problems = [], []
    for path, _ in state:
        try:
            curves.append(read_load(Path(path)))
        except RunError as error:
            problems.append(str(error).replace(f"{Path(path).parent}/", ""))
    return curves, problems


@st.cache_resource(show_spinner=False, max_entries=64)
def points_of(
    state: State, choice: Filters, axis: str, _runs: Sequence[Run], asked: tuple[str, ...] = ()
) -> "pd.DataFrame":
    """Args:
    asked: Models; only the prompts that all of them have answered count then, and speeds come from a machine that has
        timed them.
    """
    return placed_points(_figures_of(state, choice, asked, _runs), axis=axis, among=asked)


@st.cache_resource(show_spinner=False, max_entries=64)
def _figures_of(state: State, choice: Filters, asked: tuple[str, ...], _runs: Sequence[Run]) -> list[ModelFigures]:
    """What takes long of points and curves, whatever they are drawn along."""
    runs = narrowed(_runs, choice)
    kept = on_the_prompts_of(runs, *asked) if asked else runs
    return gather(kept, machine=choice.machine or machine_for(runs, asked))


@st.cache_resource(show_spinner=False, max_entries=64)
def answers_of(state: State, choice: Filters, _runs: Sequence[Run]) -> tuple[list[Answers], list[str]]:
    """Each model's answers with the time that they take, and why other models have none."""
    return all_answers([each for each in _figures_of(state, choice, (), _runs) if each.quality])


@st.cache_resource(show_spinner=False, max_entries=64)
def within_of(
    state: State, choice: Filters, models: tuple[str, ...], unit: str, _runs: Sequence[Run]
) -> tuple[list[Curve], str | None, list[str]]:
    """These models' curves, of two the sentence that follows, and why others have none."""
    answers, problems = answers_of(state, choice, _runs)
    drawn = [each for model in models for each in answers if each.model == model]
    curves, sentence = [], None
    for each in drawn:
        try:
            curves.append(curve(each, unit))
        except RunError as error:
            problems = [*problems, str(error)]
    if len(curves) == len(drawn) == 2:
        try:
            sentence = pair_text(drawn[0], drawn[1], unit)
        except RunError as error:
            problems = [*problems, str(error)]
    return curves, sentence, problems


@st.cache_resource(show_spinner=False, max_entries=64)
def verdict_of(state: State, a: str, b: str, suite: str | None, _runs: Sequence[Run]) -> Verdict | str:
    """The verdict, or in one line why there is none."""
    try:
        return verdict(_runs, a, b, suite=suite)
    except RunError as error:
        return str(error)


@st.cache_resource(show_spinner=False, max_entries=64)
def factorial_of(state: State, suite: str | None, _runs: Sequence[Run]) -> tuple[Run, Factorial] | None:
    """The run with a 2×2 that graded most answers, and its effects."""
    for run in sorted(_runs, key=lambda run: -sum(row.grade is not None for row in run.rows)):
        try:
            return run, factorial(run, suite=suite)
        except RunError:
            continue
    return None


@st.cache_resource(show_spinner=False, max_entries=64)
def waterfall_of(state: State, model: str, suite: str | None, _runs: Sequence[Run]) -> list[WaterfallStep] | str:
    try:
        return waterfall(_runs, model, runtime.registry(), suite=suite)
    except (RunError, RegistryError) as error:
        return str(error)


@st.cache_resource(show_spinner=False, max_entries=64)
def changes_of(state: State, a: str, b: str, _a: Run, _b: Run) -> Changes | str:
    try:
        return compare_runs(_a, _b)
    except RunError as error:
        return str(error)


@st.cache_resource(show_spinner=False, max_entries=4)
def claims_of(state: State, _runs: Sequence[Run]) -> list[Claim]:
    return claims(_runs)
