import dataclasses
import itertools
from collections import Counter

from benchmarks.config import Config
from benchmarks.schedule import schedule
from data.suites import load_suite

CONFIG = Config(name="x", models=("a", "b"), suites=("core",), limit=16, repetitions=2, fixed_repetitions=3)
SUITES = [load_suite("core")]


def test_every_model_gets_every_prompt_in_every_repetition_once() -> None:
    samples = schedule(CONFIG, SUITES)
    keys = Counter((each.model, each.suite, each.prompt_id, each.repetition) for each in samples)
    assert set(keys.values()) == {1}
    assert len(samples) == 2 * (16 * 2 + 3)
    assert Counter(each.kind for each in samples if each.model == "a" and each.repetition == 0)["facts"] == 2


def test_models_take_turns_and_each_begins_as_often_as_the_other() -> None:
    models = [each.model for each in schedule(CONFIG, SUITES)]
    pairs = list(zip(models[::2], models[1::2]))
    assert all(set(pair) == {"a", "b"} for pair in pairs)
    assert all(one == other[::-1] for one, other in itertools.pairwise(pairs))


def test_the_order_follows_from_the_seed() -> None:
    assert schedule(CONFIG, SUITES) == schedule(CONFIG, SUITES)
    other = schedule(dataclasses.replace(CONFIG, seed=1), SUITES)
    assert [each.prompt_id for each in other] != [each.prompt_id for each in schedule(CONFIG, SUITES)]


def test_prompts_of_one_kind_do_not_stand_together() -> None:
    kinds = [each.kind for each in schedule(CONFIG, SUITES)[6:38:2]]
    assert kinds != sorted(kinds)


def test_the_limit_and_kinds_hold_for_each_suite() -> None:
    config = dataclasses.replace(CONFIG, kinds=("facts", "logic"), limit=5, repetitions=1, fixed_repetitions=0)
    samples = schedule(config, SUITES)
    assert Counter(each.kind for each in samples if each.model == "a") == {"facts": 2, "logic": 3}
