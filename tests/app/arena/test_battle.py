import random

import pytest

from app.arena.battle import CHARACTERS_PER_S, Battle, can_battle, draw_pair
from app.chat.lanes import Lane
from app.chat.suite_prompts import library
from data.models.registry import project_registry


def lane(text: str, reason: str = "stop") -> Lane:
    return Lane(model_id="m", stage="done", text=text, reason=reason)  # type: ignore[arg-type]


def battle(*texts: str, prompt: str = "hi") -> Battle:
    lanes = tuple(lane(text) for text in texts)
    return Battle(prompt=prompt, model_ids=("x", "y"), comparison_id="c", lanes=lanes, play_started=100.0)


def test_both_replies_are_played_at_one_pace_whatever_the_models_speed() -> None:
    played = battle("a" * 900, "b" * 450)
    left, right = played.shown_texts(101.0)
    assert len(left) == len(right) == CHARACTERS_PER_S
    assert played.stage(101.0) == "playing"
    left, right = played.shown_texts(107.0)
    assert (len(left), len(right)) == (7 * CHARACTERS_PER_S, 450)
    assert played.stage(111.0) == "voting"


def test_the_replay_begins_with_the_answer_not_with_the_thinking() -> None:
    played = battle("<think>" + "x" * 5000 + "</think>" + "a" * 900, "b" * 900)
    left, right = played.shown_texts(101.0)
    assert left.count("a") == len(right) == CHARACTERS_PER_S
    assert battle("<think>" + "x" * 5000, "b").stage(101.0) == "voting"


def test_nothing_is_shown_before_both_are_done() -> None:
    waiting = Battle(prompt="hi", model_ids=("x", "y"), comparison_id="c")
    assert waiting.stage(1e9) == "writing" and waiting.shown_texts(1e9) == ()


def test_a_side_without_a_reply_cannot_be_voted_on() -> None:
    assert not battle("a", "b").failed
    failed = Battle(prompt="hi", model_ids=("x", "y"), comparison_id="c", lanes=(lane("a"), lane("", "error")))
    assert failed.failed and battle("a", "").failed


def test_sides_are_shuffled_and_the_two_models_differ() -> None:
    rng = random.Random(1)
    pairs = {draw_pair(["x", "y"], rng) for _ in range(50)}
    assert pairs == {("x", "y"), ("y", "x")}
    with pytest.raises(ValueError, match="two different models"):
        draw_pair(["x", "x"], rng)


def test_a_vote_on_a_suites_prompt_carries_both_grades_and_one_on_a_persons_prompt_carries_nothing_of_it() -> None:
    prompt = next(each.prompt for each in library()["core"] if each.prompt.id == "arithmetic-01")
    stored = battle(prompt.right, prompt.wrong, prompt=prompt.text).as_vote("a")
    assert (stored.suite, stored.prompt_id, stored.grade_a, stored.grade_b) == ("core", "arithmetic-01", 1.0, 0.0)
    private = battle("a", "b", prompt="my own words").as_vote("b")
    assert (private.suite, private.prompt_id, private.grade_a) == (None, None, None)
    assert "my own words" not in repr(private)


def test_a_model_without_its_layers_battles_once_it_is_healed() -> None:
    left_out = [model_id for model_id, entry in project_registry().items() if not can_battle(entry)]
    assert left_out == ["smollm2-small"]
