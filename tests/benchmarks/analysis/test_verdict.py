import re
from dataclasses import replace

import pytest

from benchmarks.analysis.speed_ratio import noise_floor, speed_ratio
from benchmarks.analysis.verdict import verdict
from benchmarks.runs.read import Row, Run, RunError
from tests.benchmarks.made_runs import graded_rows, made_run, timed_rows

GOOD, BAD = "1111111110" * 4, "0000011111" * 4
FAST, SLOW = [150.0, 152, 151, 149, 153], [100.0, 101, 99, 102, 100]


def quality(run_id: str = "q", **changes: int) -> Run:
    return made_run(graded_rows("good", GOOD), graded_rows("bad", BAD), run_id=run_id, **changes)


def speed(run_id: str = "s", cpu: str = "a CPU") -> Run:
    return made_run(timed_rows("good", SLOW), timed_rows("bad", FAST), run_id=run_id, cpu=cpu, day=2)


def test_the_sentence_has_the_difference_its_interval_n_p_the_speed_ratio_and_the_cost() -> None:
    found = verdict([quality(), speed()], "good", "bad")
    assert re.fullmatch(
        r"GOOD answers \+40\.0 points more correctly \[\+\d\d\.\d, \+\d\d\.\d\] \(n=40, p=0\.0015\) than BAD and "
        r"decodes 1\.5\d× slower \[1\.4\d, 1\.5\d\]; 0\.333 s per correct answer against 0\.465 s\.",
        found.sentence,
    )
    assert (found.run.id, found.speed and found.speed.runs) == ("q", ("s",))


def test_the_better_one_leads_whatever_the_order_of_the_question() -> None:
    one, other = verdict([quality(), speed()], "good", "bad"), verdict([quality(), speed()], "bad", "good")
    assert other.sentence.startswith("GOOD answers +40.0 points")
    assert "decodes 1.50× slower" in one.sentence and "decodes 1.50× slower" in other.sentence
    assert other.quality.difference == pytest.approx(-0.4)


def test_what_cannot_be_told_apart_is_called_so_with_what_could_have_been_seen() -> None:
    run = made_run(graded_rows("a", "1100110011" * 4), graded_rows("b", "0100110011" * 3 + "1110110011"))
    found = verdict(run, "a", "b").sentence
    assert found.startswith("A and B are not separable in quality: +5.0 points [-")
    assert re.search(r"the run could have seen a difference of \d+\.\d points\.$", found)


def test_too_few_prompts_are_said_to_be_too_few() -> None:
    run = made_run(graded_rows("a", "110"), graded_rows("b", "010"))
    assert verdict(run, "a", "b").sentence.endswith("there are too few prompts to find any difference.")


def test_speeds_within_the_noise_of_a_model_against_itself_are_not_claimed() -> None:
    twins = made_run(
        graded_rows("a", BAD),
        graded_rows("b", GOOD),
        timed_rows("a", [100.0, 101, 100, 102, 101]),
        timed_rows("a@again", [95.0, 104, 97, 107, 96]),
        timed_rows("b", [104.0, 105, 104, 106, 105]),
    )
    assert noise_floor(twins) == pytest.approx(0.06, abs=0.01)
    assert "decode speeds are not separable (1.04× [" in verdict(twins, "a", "b").sentence
    assert "noise floor" in verdict(twins, "a", "b").sentence
    ratio = speed_ratio([twins], "sha-a", "sha-b")
    assert ratio is not None and ratio.paired and ratio.ratio.high < 1 and not ratio.separable


def test_a_run_with_a_noise_floor_comes_before_a_newer_one_without_but_not_before_another_machine() -> None:
    arms = [timed_rows("good", SLOW), timed_rows("good@again", SLOW), timed_rows("bad", FAST)]
    floored = made_run(*arms, run_id="floored", day=1)
    newer, elsewhere = speed("newer"), made_run(*arms, run_id="elsewhere", day=1, cpu="that")
    ratio = speed_ratio([floored, newer, elsewhere], "sha-good", "sha-bad")
    assert ratio is not None and ratio.runs == ("floored",) and ratio.floor is not None


def test_the_cost_is_of_the_prompts_that_both_have_graded() -> None:
    slow = graded_rows("good", "1", prompt_id="alone", decode_s=99.0, decode_tokens=9900)
    run = made_run(graded_rows("good", GOOD), slow, graded_rows("bad", BAD), run_id="q")
    cost = verdict([run, speed()], "good", "bad").s_per_correct_a
    assert cost == verdict([quality(), speed()], "good", "bad").s_per_correct_a and cost is not None


def test_without_a_run_that_timed_both_nothing_is_said_of_speed() -> None:
    found = verdict(quality(), "good", "bad")
    assert found.speed is None and "decode" not in found.sentence and "per correct answer" not in found.sentence


def test_speeds_of_two_machines_never_make_a_ratio() -> None:
    one = made_run(timed_rows("good", SLOW), run_id="one", cpu="this")
    other = made_run(timed_rows("bad", FAST), run_id="other", cpu="that")
    assert speed_ratio([one, other], "sha-good", "sha-bad") is None
    same = made_run(timed_rows("bad", FAST), run_id="other", cpu="this")
    ratio = speed_ratio([one, same], "sha-good", "sha-bad")
    assert ratio is not None and not ratio.paired and ratio.runs == ("one", "other")
    assert ratio.ratio.estimate == pytest.approx(100 / 151)


def test_quality_comes_from_the_run_with_most_prompts() -> None:
    small = made_run(graded_rows("good", "10"), graded_rows("bad", "01"), run_id="small", day=9)
    assert verdict([small, quality()], "good", "bad").run.id == "q"


def test_models_that_no_run_has_both_of_are_one_line() -> None:
    with pytest.raises(RunError, match="q has no model 'nobody'"):
        verdict(quality(), "good", "nobody")


def cut(rows: list[Row], *places: int) -> list[Row]:
    """The same answers, some of them cut by their limit."""
    return [replace(row, truncated=place in places) for place, row in enumerate(rows)]


def test_nothing_is_claimed_where_cut_answers_could_turn_it_round_and_the_sentence_says_so() -> None:
    wrong = [place for place, letter in enumerate(BAD) if letter == "0"]
    run = made_run(graded_rows("good", GOOD), cut(graded_rows("bad", BAD), *wrong))
    found = verdict(run, "good", "bad")
    assert found.quality.differs and found.quality.cut_decides and not found.quality.separable
    assert found.sentence.startswith("Which of GOOD and BAD answers better is not decided: as they stand the answers")
    assert "but 20 of BAD's 40 answers were cut by their token limit, so 50% to 100% may be right" in found.sentence
    assert "and none of GOOD's, of which 90% are; give them more room" in found.sentence
    turned = verdict(run, "bad", "good")
    assert "not decided" in turned.sentence and turned.quality.bounds_b == (0.9, 0.9)


def test_a_few_cut_answers_that_could_not_turn_it_round_leave_the_claim() -> None:
    run = made_run(graded_rows("good", GOOD), cut(graded_rows("bad", BAD), 0, 1, 5))
    found = verdict(run, "good", "bad")
    assert found.quality.bounds_b == (pytest.approx(0.475), pytest.approx(0.55))
    assert found.quality.separable and "answers +40.0 points more correctly" in found.sentence
