import pytest

from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.flips import flip_table
from benchmarks.statistics.pairs import compare_pair, scores
from tests.benchmarks.made_runs import graded_rows, made_run

GOOD, BAD = "1111111111" * 4, "0000010101" * 4


def run() -> Run:
    return made_run(graded_rows("good", GOOD), graded_rows("bad", BAD))


def test_a_difference_is_of_a_less_b_and_counts_who_alone_was_right() -> None:
    found = compare_pair(run(), "good", "bad")
    assert (found.n, found.left_out, found.only_a, found.only_b) == (40, 0, 28, 0)
    assert (found.share_a, found.share_b, found.difference) == (1.0, 0.3, pytest.approx(0.7))
    assert found.low < 0.7 < found.high and found.separable
    assert found.condition == "batched" and found.p_value < 1e-6


def test_turning_a_comparison_round_changes_its_signs_only() -> None:
    one, other = compare_pair(run(), "good", "bad"), compare_pair(run(), "bad", "good")
    turned = other.inverted
    assert (turned.difference, turned.only_a, turned.p_value, turned.detectable) == (
        pytest.approx(one.difference),
        one.only_a,
        one.p_value,
        one.detectable,
    )
    assert other.difference == pytest.approx(-one.difference)
    assert (turned.low, turned.high) == pytest.approx((one.low, one.high), abs=0.02)


def test_a_model_does_not_differ_from_its_own_answers() -> None:
    same = made_run(graded_rows("a", BAD), graded_rows("b", BAD))
    found = compare_pair(same, "a", "b")
    assert (found.difference, found.low, found.high, found.p_value, found.separable) == (0, 0, 0, 1, False)


def test_prompts_that_share_a_template_count_less_than_as_many_that_do_not() -> None:
    templates = [f"t{place // 10}" for place in range(40)]
    shared = made_run(
        graded_rows("a", "1" * 10 + "0" * 30, templates), graded_rows("b", "0" * 10 + "0" * 30, templates)
    )
    alone = made_run(graded_rows("a", "1" * 10 + "0" * 30), graded_rows("b", "0" * 40))
    clustered, free = compare_pair(shared, "a", "b"), compare_pair(alone, "a", "b")
    assert (clustered.clusters, free.clusters) == (4, 40)
    assert clustered.high - clustered.low > 1.5 * (free.high - free.low)
    assert free.separable and not clustered.separable
    assert clustered.independent < free.independent == 40
    assert (clustered.detectable or 1) > (free.detectable or 0)


def test_ungraded_and_failed_samples_are_left_out_and_counted() -> None:
    partly = made_run(
        graded_rows("a", "11-1"), graded_rows("b", "0000"), graded_rows("b", "1", prompt_id="lost", error="died")
    )
    found = compare_pair(partly, "a", "b")
    assert (found.n, found.left_out) == (3, 2)


def test_suites_are_pooled_unless_one_is_asked_for_and_kinds_can_be_kept() -> None:
    both = made_run(
        *(graded_rows(model, grades) for model, grades in (("a", "1100"), ("b", "0000"))),
        *(
            graded_rows(model, grades, suite="reasoning", kind="sums")
            for model, grades in (("a", "0000"), ("b", "1111"))
        ),
    )
    assert compare_pair(both, "a", "b").n == 8
    assert compare_pair(both, "a", "b", suite="reasoning").difference == -1
    assert compare_pair(both, "a", "b", kinds=["facts"]).difference == 0.5


def test_conditions_never_meet_and_the_one_with_most_prompts_is_taken() -> None:
    mixed = made_run(
        graded_rows("a", "1111"),
        graded_rows("b", "0000"),
        graded_rows("a", "00", condition="timed-cold"),
        graded_rows("b", "11", condition="timed-cold"),
    )
    assert compare_pair(mixed, "a", "b").n == 4
    assert compare_pair(mixed, "a", "b", condition="timed-cold").difference == -1


def test_repetitions_are_averaged_before_prompts_are_compared() -> None:
    repeated = made_run(
        graded_rows("a", "10"), graded_rows("a", "11", repetition=1), graded_rows("b", "00"), graded_rows("b", "00")
    )
    assert scores(repeated, "a", "batched").grades == {("core", "p0"): 1.0, ("core", "p1"): 0.5}
    found = compare_pair(repeated, "a", "b")
    assert (found.n, found.difference, found.only_a) == (2, 0.75, 2)


def test_the_flip_table_shows_the_prompts_that_only_one_got_right() -> None:
    flips = flip_table(made_run(graded_rows("a", "101-"), graded_rows("b", "0011")), "a", "b")
    assert [(flip.prompt_id, flip.grade_a, flip.grade_b) for flip in flips] == [("p0", 1.0, 0.0)]
    assert (flips[0].answer_a, flips[0].answer_b, flips[0].kind) == ("a 0", "b 0", "facts")


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda run: compare_pair(run, "good", "nobody"), "has no model 'nobody'; it has good, bad"),
        (lambda run: compare_pair(run, "good", "bad", suite="poems"), "no prompt in suite 'poems' is graded for both"),
        (lambda run: compare_pair(run, "good", "bad", kinds=["odes"]), "kinds odes, condition 'batched'; it has core"),
        (lambda run: compare_pair(run, "good", "bad", condition="warm"), "condition 'warm'; it has core \\(batched\\)"),
        (lambda run: flip_table(run, "nobody", "bad"), "has no model 'nobody'"),
    ],
)
def test_a_slice_without_prompts_is_one_line_that_says_what_there_is(call: object, wanted: str) -> None:
    with pytest.raises(RunError, match=wanted):
        call(run())  # type: ignore[operator]


def test_zero_gradable_items_are_an_error_and_not_a_tie() -> None:
    with pytest.raises(RunError, match="no prompt is graded for both 'a' and 'b'"):
        compare_pair(made_run(graded_rows("a", "---"), graded_rows("b", "111")), "a", "b")
