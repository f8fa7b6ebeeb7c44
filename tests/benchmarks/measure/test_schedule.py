import dataclasses
import itertools
from collections import Counter

from benchmarks.config import Config
from benchmarks.measure.schedule import schedule
from data.suites.prompts import load_suite

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


def test_depths_are_timed_at_each_fixed_repetition_and_only_from_a_cold_cache() -> None:
    config = dataclasses.replace(CONFIG, depths=(0, 512), conditions=("timed-cold", "warm", "batched"))
    shapes = [each for each in schedule(config, SUITES) if each.prompt is None and each.model == "a"]
    assert Counter(each.prompt_id for each in shapes) == {"pp512-tg128": 3, "d0-tg128": 3, "d512-tg128": 3}
    assert {each.condition for each in shapes} == {"timed-cold"}
    assert {each.shape for each in shapes if each.suite == "depth"} == {(0, 128), (512, 128)}


def test_repetitions_draw_other_seeds_only_where_there_is_something_to_draw() -> None:
    def seeds(temperature: float) -> set[int]:
        config = dataclasses.replace(CONFIG, temperature=temperature, fixed_repetitions=0)
        return {each.seed for each in schedule(config, SUITES)}

    assert seeds(0.0) == {3407} and seeds(0.7) == {3407, 3408}
