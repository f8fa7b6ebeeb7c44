"""Right within T: against what can be worked out by hand, and where the answers' limits end what can be said."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks.analysis.figures import gather
from benchmarks.analysis.within import (
    BUDGETS,
    SECONDS,
    TOKENS,
    Answers,
    all_answers,
    answers_in,
    answers_of,
    curve,
    stretches,
)
from benchmarks.analysis.within_text import pair_text, within_lines
from benchmarks.charts.within import within_chart
from benchmarks.runs.read import Row, Run, RunError
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

BOTH = "1" * 40


def rows(model: str, grades: str, decode_tokens: int, **changes: Any) -> list[Row]:
    """Batched answers of so many tokens after a prompt of 50, ended by the model."""
    facts = {"finish_reason": "stop", "decode_tokens": decode_tokens, "completion_tokens": decode_tokens + 1}
    return graded_rows(model, grades, **{**facts, **changes})


def run(*groups: list[Row], fast: float = 100.0, slow: float = 10.0, cpu: str = "a CPU") -> Run:
    """`small` decodes at `fast` tokens/s, `large` at `slow`; prompts are read at 500 tokens/s."""
    timed = [timed_rows("small", [fast] * 6), timed_rows("large", [slow] * 6)]
    return made_run(*groups, *timed, cpu=cpu)


def answers(made: Run, model: str) -> Answers:
    return answers_in(made, model)


def share_at(made: Run, model: str, seconds: float) -> float:
    found = curve(answers(made, model))
    return found.share[int(np.searchsorted(found.budgets, seconds))]


def test_an_answer_counts_from_the_moment_that_it_is_finished_on_this_machine() -> None:
    made = run(rows("small", "10" * 20, 200), rows("large", BOTH, 200))
    assert answers(made, "small").seconds == pytest.approx(50 / 500 + 200 / 100)
    assert share_at(made, "small", 1.9) == 0.0
    assert share_at(made, "small", 2.3) == 0.5
    assert share_at(made, "large", 18.0) == 0.0
    assert share_at(made, "large", 22.0) == 1.0
    assert curve(answers(made, "large"), TOKENS).share[-1] == 1.0


def test_the_fast_one_is_ahead_while_the_good_one_is_still_writing() -> None:
    made = run(rows("small", "1000" * 10, 200), rows("large", BOTH, 200))
    small, large = answers(made, "small"), answers(made, "large")
    found = [(each.better, each.first, each.last) for each in stretches(small, large)]
    (nobody, *_), (first, starts, stops), (second, later, last) = found
    assert (nobody, first, second) == (None, "small", "large")
    assert 2.1 <= starts < 2.3 and 18.8 < stops < 20.1 <= later < 21.5 and last == 120
    text = pair_text(small, large)
    assert "SMALL is right more often, by 25 points" in text and "LARGE is right more often, by 75 points" in text
    assert text.endswith("; elsewhere they cannot be told apart (on a CPU, 2 threads).")


def test_an_answer_that_its_limit_cut_is_right_at_no_time_and_a_curve_ends_where_many_were() -> None:
    grown = rows("small", BOTH, 100) + rows("small", "1", 400, prompt_id="cut", finish_reason="length", truncated=True)
    made = run(grown, rows("large", BOTH, 20))
    found = curve(answers(made, "small"))
    assert found.ends is None and found.share[-1] == pytest.approx(40 / 41) and found.high[-1] == 1.0
    many = [replace(row, truncated=place < 4) for place, row in enumerate(rows("small", BOTH, 400))]
    ended = curve(answers(run(many, rows("large", BOTH, 20)), "small"))
    assert ended.ends == ended.budgets[-1] and 3.8 < ended.ends <= 4.1
    large = answers(run(many, rows("large", BOTH, 20)), "large")
    assert "past 3.9 s the answers' token limits would decide" in pair_text(answers(run(many), "small"), large)


def test_a_reply_that_ran_into_a_loop_is_not_finished() -> None:
    made = run(rows("small", BOTH, 100, finish_reason="loop"), rows("large", BOTH, 20))
    assert curve(answers(made, "small")).share[-1] == 0.0


@pytest.mark.parametrize(("only_small", "told"), [(1, False), (5, False), (6, True)])
def test_a_few_prompts_are_no_evidence_within_a_time_either(only_small: int, told: bool) -> None:
    made = run(rows("small", "1" * only_small + "0" * 40, 20), rows("large", "0" * (only_small + 40), 20))
    assert any(each.better for each in stretches(answers(made, "small"), answers(made, "large"))) is told


def test_rates_may_come_from_a_run_that_was_graded_too() -> None:
    made = run(rows("small", BOTH, 20), rows("large", BOTH, 20))
    assert len(answers_in(made, "small", [made]).keys) == 40
    assert len(within_lines(made, "small", [made])) == 1


def test_models_that_cannot_be_told_apart_are_called_so() -> None:
    made = run(rows("small", "10" * 20, 20), rows("large", "01" * 20, 20), slow=100.0)
    assert pair_text(answers(made, "small"), answers(made, "large")).startswith("From 0.5 s to 120 s SMALL and LARGE")


def test_seconds_of_different_machines_are_refused_by_name_and_tokens_are_not() -> None:
    here, there = run(rows("small", BOTH, 20)), run(rows("large", BOTH, 20), cpu="another CPU")
    a, b = answers(here, "small"), answers(there, "large")
    with pytest.raises(RunError, match=r"SMALL was timed on a CPU, 2 threads, LARGE on another CPU, 2 threads"):
        stretches(a, b, SECONDS)
    assert stretches(a, b, TOKENS)


def test_a_model_that_was_not_timed_there_is_left_out_with_the_reason() -> None:
    made = made_run(rows("small", BOTH, 20), rows("large", BOTH, 20), timed_rows("small", [100.0] * 6))
    found, problems = all_answers([each for each in gather([made]) if each.quality])
    assert [each.model for each in found] == ["small"]
    assert problems == ["LARGE: its rates were not measured on a CPU, 2 threads; time it alone (timed-cold) there"]
    assert within_lines(made, "small", []) == [f"not placed in time: {problems[0]}"]
    with pytest.raises(RunError, match="nothing is graded for 'other'; it has small, large"):
        answers_in(made, "other")


def test_answers_that_were_timed_themselves_need_no_rates() -> None:
    (figures,) = gather([made_run(rows("small", BOTH, 20, condition="timed-cold", total_s=3.0))])
    assert answers_of(figures).seconds == pytest.approx(3.0)


def test_one_prompt_gives_no_curve() -> None:
    with pytest.raises(RunError, match=r"SMALL: 1 graded prompts of 1 templates; .* needs 2 that do not share one"):
        curve(answers(run(rows("small", "1", 20)), "small"))


def test_bands_are_those_of_the_share_itself() -> None:
    made = run(rows("small", "10" * 200, 20), rows("large", BOTH, 20))
    found = curve(answers(made, "small"))
    assert (found.low[-1], found.high[-1]) == (pytest.approx(0.451, abs=0.01), pytest.approx(0.549, abs=0.01))


def test_the_chart_has_a_line_and_a_band_a_model_and_says_them_in_words() -> None:
    made = run(rows("small", "10" * 20, 200), rows("large", BOTH, 200))
    chart = within_chart([curve(answers(made, model)) for model in ("small", "large")]).to_dict()
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["area", "line", "point"]
    assert "SMALL: 0% within" in chart["description"] and "100% within 120 seconds" in chart["description"]
    (rows_drawn,) = chart["datasets"].values()
    assert len(rows_drawn) == 2 * len(BUDGETS[SECONDS])
    with pytest.raises(ValueError, match="no answers with a grade"):
        within_chart([])


def test_a_served_model_is_left_out_for_its_seconds_are_another_machines() -> None:
    near = [graded_rows("near", "11110000", condition="batched"), timed_rows("near", [50.0] * 8)]
    facts = {"far": {"served_by": "there:80"}}
    run = made_run(*near, graded_rows("far", "11110000", condition="batched"), facts=facts)
    answers, problems = all_answers(gather([run]))
    assert [each.model for each in answers] == ["near"]
    assert problems == ["FAR: there:80 has it, whose seconds are not this machine's"]
