import pytest

from benchmarks.analysis.figures import answer_seconds, gather, machines, rates_of, seconds_per_correct
from tests.benchmarks.made_runs import graded_rows, made_row, made_run, timed_rows

RATES = [50.0, 51, 49]


def test_speed_and_quality_of_one_file_are_joined_over_runs_and_say_where_they_come_from() -> None:
    quality = made_run(graded_rows("m", "1100"), run_id="q", facts={"m": {"file_size_bytes": 7, "rank": 8}})
    speed = made_run(timed_rows("m", RATES), run_id="s", day=2)
    (found,) = gather([quality, speed])
    assert found.decode_tok_per_s is not None and found.decode_tok_per_s.estimate == pytest.approx(50)
    assert found.accuracy is not None and found.accuracy.estimate == 0.5
    assert (found.file_size_bytes, found.rank, found.elsewhere) == (7, 8, False)
    assert found.note == "speed s (timed-cold), quality q (batched)"


def test_seconds_per_answer_of_batched_answers_are_token_counts_over_measured_rates() -> None:
    quality = made_run(graded_rows("m", "1100"), run_id="q")
    (found,) = gather([quality, made_run(timed_rows("m", RATES), run_id="s")])
    assert found.answer_s is not None and found.s_per_correct_answer is not None
    assert found.answer_s.estimate == pytest.approx(50 / 500 + 20 / 50)
    assert found.s_per_correct_answer.estimate == pytest.approx(2 * found.answer_s.estimate)
    (alone,) = gather([quality])
    assert alone.answer_s is None and alone.s_per_correct_answer is None


def test_seconds_of_answers_made_alone_are_those_measured() -> None:
    (found,) = gather([made_run(graded_rows("m", "1100", condition="timed-cold"))])
    assert found.answer_s is not None and found.answer_s.estimate == 0.5
    assert found.note == "from r (timed-cold)"


def test_a_model_that_is_never_right_has_no_seconds_per_correct_answer() -> None:
    answer, per_correct = seconds_per_correct(graded_rows("m", "0000", condition="timed-cold"), None)
    assert answer is not None and per_correct is None


def test_speeds_come_from_one_machine_and_quality_from_elsewhere_is_marked() -> None:
    here, there = (
        made_run(timed_rows("m", [rate] * 3), run_id=cpu, cpu=cpu, day=day)
        for cpu, rate, day in (("here", 50.0, 2), ("there", 90.0, 1))
    )
    quality = made_run(graded_rows("m", "10"), run_id="q", cpu="there")
    assert machines([there, here, quality]) == ["here, 2 threads", "there, 2 threads"]
    (found,) = gather([there, here, quality])
    assert found.decode_tok_per_s is not None and found.decode_tok_per_s.estimate == pytest.approx(50)
    assert found.elsewhere and found.note.endswith("on another machine or build")
    (chosen,) = gather([there, here, quality], machine="there, 2 threads")
    assert chosen.decode_tok_per_s is not None and chosen.decode_tok_per_s.estimate == pytest.approx(90)


def test_speeds_of_two_builds_of_llama_cpp_are_not_mixed() -> None:
    old, new = (
        made_run(timed_rows("m", [rate] * 3), run_id=name, day=day, llama_cpp={"variant": name})
        for name, rate, day in (("avx512", 50.0, 1), ("amx", 90.0, 2))
    )
    assert [each.rpartition(", ")[2] for each in machines([old, new])] == ["amx", "avx512"]
    (found,) = gather([old, new])
    assert found.decode_tok_per_s is not None and found.decode_tok_per_s.estimate == pytest.approx(90)


def test_speeds_are_those_of_the_newest_run_unless_it_has_only_begun() -> None:
    old, new, begun = (
        made_run(timed_rows("m", [rate] * count), run_id=name, day=day)
        for name, rate, count, day in (("old", 50.0, 40, 1), ("new", 90.0, 12, 2), ("begun", 10.0, 2, 3))
    )
    (found,) = gather([old, new, begun])
    assert found.decode_tok_per_s is not None and found.decode_tok_per_s.estimate == pytest.approx(90)
    (first,) = gather([old, begun])
    assert first.decode_tok_per_s is not None and first.decode_tok_per_s.estimate == pytest.approx(50)


def test_a_second_arm_is_no_model_of_its_own() -> None:
    found = gather([made_run(timed_rows("m", RATES), timed_rows("m@again", RATES))])
    assert [each.model for each in found] == ["m"]


def test_rates_need_prefill_and_decode_and_prefer_answers_to_the_fixed_shape() -> None:
    answers = graded_rows("m", "1111", condition="timed-cold")
    rates = rates_of([*answers, *timed_rows("m", RATES)])
    assert rates is not None and rates.decode_tok_per_s == pytest.approx(100)
    fixed = rates_of(timed_rows("m", RATES))
    assert fixed is not None and fixed.decode_tok_per_s == pytest.approx(50)
    assert rates_of(graded_rows("m", "1111")) is None
    assert answer_seconds(made_row("m", 0), None) is None
