from typing import Any

import numpy as np
import pytest

from benchmarks.statistics.frontier import frontier, frontier_chances
from benchmarks.statistics.pairs import scores
from tests.benchmarks.made_runs import graded_rows, made_run


def test_a_point_is_on_the_frontier_unless_another_is_as_good_in_both_and_better_in_one() -> None:
    assert frontier([1, 2, 3, 2], [0.9, 0.5, 0.1, 0.4], more=True) == [True, True, True, False]
    assert frontier([1, 2, 3], [0.9, 0.5, 0.1], more=False) == [True, False, False]
    assert frontier([1, 1], [0.5, 0.5], more=True) == [True, True]


def chances(*models: tuple[str, str, list[float]]) -> dict[str, float]:
    run = made_run(*(graded_rows(name, grades) for name, grades, _ in models))
    answered = [scores(run, name, run.by_model[name][0].condition) for name, _, _ in models]
    costs: list[Any] = [np.array(rates) for _, _, rates in models]
    found = frontier_chances(costs, answered, more=True, rng=np.random.default_rng(1))
    return dict(zip((name for name, _, _ in models), found, strict=True))


def test_a_clearly_beaten_model_is_never_on_the_frontier_and_a_clear_trade_always_is() -> None:
    good, fast, useless = (
        ("good", "1" * 40, [50.0, 51, 49]),
        ("fast", "10" * 20, [90.0, 91, 92]),
        ("useless", "0" * 40, [20.0, 21, 22]),
    )
    assert chances(good, fast, useless) == {"good": 1.0, "fast": 1.0, "useless": 0.0}


def test_a_close_race_is_not_certain_and_prompts_are_resampled_for_all_models_alike() -> None:
    grades = "1100101001" * 4
    found = chances(("a", grades, [50.0, 51, 49]), ("b", grades[:-1] + "0", [60.0, 61, 62]))
    assert found["b"] == 1
    assert found["a"] == pytest.approx(1 - (39 / 40) ** 40, abs=0.05)


def test_no_model_and_no_shared_prompt_are_errors() -> None:
    with pytest.raises(ValueError, match="no model"):
        frontier_chances([], [], more=True, rng=np.random.default_rng(1))
