import math
import random
from collections.abc import Iterator

import pytest

from benchmarks.statistics.sequential import ERROR, Contests, log_evidence
from tests.benchmarks.made_runs import graded_rows, made_row


def test_evidence_is_the_mixed_likelihood_against_one_half() -> None:
    steps = 20_000
    share = [(k + 0.5) / steps for k in range(steps)]
    for first, second in ((0, 0), (7, 0), (9, 3), (30, 31)):
        prior = [1 / (math.pi * math.sqrt(p * (1 - p))) for p in share]
        mixed = sum(p**first * (1 - p) ** second * w for p, w in zip(share, prior, strict=True)) / steps
        assert log_evidence(first, second) == pytest.approx(math.log(mixed * 2 ** (first + second)), abs=0.02)


def test_seven_prompts_that_only_one_gets_right_decide_and_six_do_not() -> None:
    def decided(count: int) -> bool:
        contests = Contests(["a", "b"], {"core": [f"p{place}" for place in range(count)]})
        for row in (*graded_rows("a", "1" * count), *graded_rows("b", "0" * count)):
            contests.note(row)
        return contests.over("core", "a") and contests.over("core", "b")

    assert decided(7) and not decided(6)


def test_prompts_count_in_the_order_in_which_they_are_asked_not_in_that_of_their_ends() -> None:
    contests = Contests(["a", "b"], {"core": [f"p{place}" for place in range(20)]})
    for place in range(1, 20):
        contests.note(made_row("a", place, grade=1.0))
        contests.note(made_row("b", place, grade=0.0))
    assert not contests.over("core", "a")  # p0 may still say otherwise
    contests.note(made_row("a", 0, grade=0.0))
    contests.note(made_row("b", 0, grade=1.0))
    assert contests.over("core", "a")


def test_prompts_of_one_template_are_one_witness() -> None:
    contests = Contests(["a", "b"], {"core": [f"p{place}" for place in range(40)]})
    for row in (*graded_rows("a", "1" * 40, ["sums"] * 40), *graded_rows("b", "0" * 40, ["sums"] * 40)):
        contests.note(row)
    assert not contests.over("core", "a")


def test_a_model_goes_on_until_it_is_told_apart_from_every_other() -> None:
    contests = Contests(["a", "b", "c"], {"core": [f"p{place}" for place in range(30)], "hard": ["p0"]})
    for name, grades in (("a", "1" * 30), ("b", "0" * 30), ("c", "0" * 30)):
        for row in graded_rows(name, grades):
            contests.note(row)
    assert contests.over("core", "a") and not contests.over("core", "b") and not contests.over("hard", "a")


def _equal_models(rng: random.Random, *, templates: int, each: int) -> Iterator[tuple[int, float, float]]:
    """Prompts in random order of two models that are as good as each other, but each better at some templates."""
    lean = [rng.choice((0.15, -0.15)) for _ in range(templates)]
    places = [template for template in range(templates) for _ in range(each)]
    rng.shuffle(places)
    for template in places:
        yield template, float(rng.random() < 0.5 + lean[template]), float(rng.random() < 0.5 - lean[template])


@pytest.mark.parametrize(("templates", "each"), [(40, 6), (22, 25), (8, 60)])
def test_of_models_that_are_as_good_as_each_other_few_are_ever_told_apart(templates: int, each: int) -> None:
    rng, wrong, runs = random.Random(3407), 0, 200
    for _ in range(runs):
        asked = list(_equal_models(rng, templates=templates, each=each))
        contests = Contests(["a", "b"], {"core": [f"p{place}" for place in range(len(asked))]})
        for place, (template, a, b) in enumerate(asked):
            for name, grade in (("a", a), ("b", b)):
                contests.note(made_row(name, place, grade=grade, template=f"t{template}"))
        wrong += contests.over("core", "a")
    assert wrong / runs <= ERROR


def test_a_difference_of_fifteen_points_is_told_in_less_than_half_of_six_hundred_prompts() -> None:
    rng, asked = random.Random(7), []
    for _ in range(60):
        contests = Contests(["a", "b"], {"core": [f"p{place}" for place in range(600)]})
        for place in range(600):
            contests.note(made_row("a", place, grade=float(rng.random() < 0.65)))
            contests.note(made_row("b", place, grade=float(rng.random() < 0.50)))
            if contests.over("core", "a"):
                break
        asked.append(place + 1)
    assert sorted(asked)[30] < 300
