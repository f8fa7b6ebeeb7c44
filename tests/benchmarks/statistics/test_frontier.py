from typing import Any

import numpy as np
import pytest

from benchmarks.analysis.figures import gather
from benchmarks.analysis.summary import decode_rate
from benchmarks.statistics.frontier import candidates_of, frontier, standings
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_point_is_on_the_frontier_unless_another_is_as_good_in_both_and_better_in_one() -> None:
    assert frontier([1, 2, 3, 2], [0.9, 0.5, 0.1, 0.4], more=True) == [True, True, True, False]
    assert frontier([1, 2, 3], [0.9, 0.5, 0.1], more=False) == [True, False, False]
    assert frontier([1, 1], [0.5, 0.5], more=True) == [True, True]


def candidates(*models: tuple[str, str, list[float]]) -> Any:
    groups = [rows for name, grades, rates in models for rows in (graded_rows(name, grades), timed_rows(name, rates))]
    return candidates_of(gather([made_run(*groups)]), lambda each: each.decode_tok_per_s, decode_rate)


def test_a_clearly_beaten_model_is_never_on_the_frontier_and_a_clear_trade_always_is() -> None:
    good, fast, useless = (
        ("good", "1" * 40, [50.0, 51, 49]),
        ("fast", "10" * 20, [90.0, 91, 92]),
        ("useless", "0" * 40, [20.0, 21, 22]),
    )
    found = standings(candidates(good, fast, useless), more=True, rng=rng())
    assert [(each.model, each.on_frontier, each.p_on_frontier) for each in found] == [
        ("good", True, 1.0),
        ("fast", True, 1.0),
        ("useless", False, 0.0),
    ]


def test_a_close_race_is_not_certain_and_prompts_are_resampled_for_all_models_alike() -> None:
    grades = "1100101001" * 4
    close = candidates(("a", grades, [50.0, 51, 49]), ("b", grades[:-1] + "0", [60.0, 61, 62]))
    found = {each.model: each for each in standings(close, more=True, rng=rng())}
    assert found["b"].p_on_frontier == 1
    assert found["a"].p_on_frontier == pytest.approx(1 - (39 / 40) ** 40, abs=0.05)


def test_models_without_a_grade_or_a_cost_are_left_out_and_none_is_an_error() -> None:
    run = made_run(graded_rows("graded", "1100"), timed_rows("timed", [50.0, 51]))
    assert candidates_of(gather([run]), lambda each: each.decode_tok_per_s) == []
    with pytest.raises(ValueError, match="no model"):
        standings([], more=True, rng=rng())
