import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.pick.arms import Arm, Ledger, PickError
from benchmarks.pick.beside import Beside
from benchmarks.pick.outcome import find_outcomes, read_outcome
from benchmarks.pick.rule import Budget, BudgetError, Graded, budget_text, choose, next_asked, parse_budget
from benchmarks.pick.text import how_to_serve, sentence, table
from data.models.registry import parse_registry
from tests.benchmarks.made_ladders import LADDER, graded, outcome


def answers(**points: Graded) -> Callable[[Arm], Graded | None]:
    return lambda arm: None if arm.quantization == "f16" else points[arm.quantization]


def test_the_fastest_near_enough_is_picked_and_no_slower_one_is_asked() -> None:
    asked: list[str] = []

    def grade(arm: Arm) -> Graded:
        asked.append(arm.quantization)
        return graded(-1)

    choice = choose(LADDER, Budget(), grade)
    assert choice.picked == LADDER[2]
    assert asked == ["q4_0"]
    assert choice.misses["q2_k"][0].text == "mean KL 0.6, over 0.05"


@pytest.mark.parametrize("loss", [graded(-12, p_value=0.01), graded(-12, told_apart=True)])
def test_a_shown_loss_passes_the_place_to_the_next_one(loss: Graded) -> None:
    choice = choose(LADDER, Budget(), answers(q4_0=loss, q8_0=graded(0)))
    assert choice.picked == LADDER[1]
    assert choice.misses["q4_0"][0].text == "loses 12.0 points"


def test_a_gain_that_ends_the_questions_is_no_loss() -> None:
    assert choose(LADDER, Budget(), answers(q4_0=graded(+12, told_apart=True))).picked == LADDER[2]


def test_a_loss_within_the_budget_is_borne() -> None:
    budget = Budget(max_loss_points=12.5)
    assert choose(LADDER, budget, answers(q4_0=graded(-12, p_value=0.01))).picked == LADDER[2]


def test_the_reference_is_shipped_where_every_smaller_file_loses() -> None:
    loss = graded(-12, p_value=0.01)
    choice = choose(LADDER, Budget(), answers(q4_0=loss, q8_0=loss))
    assert choice.picked == LADDER[0]
    found = outcome(q4_0=loss, q8_0=loss)
    assert sentence(found).startswith("ship f16: no smaller file that is faster keeps the budget (10.0 tok/s")


def test_where_nothing_keeps_the_budget_the_nearest_is_named() -> None:
    found = outcome(parse_budget("min-tok-s=35,memory=1GB"))
    assert found.choice.picked is None
    assert sentence(found) == ("nothing keeps the budget; q4_0 comes nearest: writes 30.0 tok/s, under 35")


def test_the_sentence_has_intervals_and_says_what_could_have_been_seen() -> None:
    text = sentence(outcome(q4_0=graded(-2)))
    assert text.startswith(
        "ship q4_0: 3.00× [2.94, 3.06] as fast as f16 here, timed one after the other, 100% of its size, "
        "mean KL 0.04 ± 0.008, "
    )
    assert "graded difference -2.0 [-22.0, +18.0] points on 60 prompts of core (a loss of " in text
    assert text.endswith("80% of cases); q2_k, faster, mean KL 0.6, over 0.05")


def test_the_speed_is_that_of_the_turns_where_the_picked_file_had_some() -> None:
    turns = Beside(quantization="q4_0", file=(50.0, 52.0), reference=(25.0, 26.0))
    found = dataclasses.replace(outcome(q4_0=graded(0), q8_0=graded(0)), beside=turns)
    assert sentence(found).startswith("ship q4_0: 2.00× [1.92, 2.08] as fast as f16 here, timed in turns, ")
    other = dataclasses.replace(found, budget=Budget(max_kl=0.01))
    assert sentence(other).startswith("ship q8_0: 1.80× [1.76, 1.84] as fast as f16 here, timed one after the other, ")


def test_the_table_tells_who_was_not_asked() -> None:
    lines = table(outcome(q4_0=graded(+9, told_apart=True))).splitlines()
    cells = {line.split()[0]: line for line in lines}
    assert cells["q8_0"].endswith("not asked")
    assert cells["f16"].endswith("reference")
    assert cells["q4_0"].endswith("+9.0 [-11.0, +29.0] of 60, ended early")


def test_seconds_per_right_answer_stand_where_answers_were_looked_at() -> None:
    head, *lines = (line.split() for line in table(outcome(q4_0=graded(0))).splitlines())
    assert " ".join(head).endswith("perplexity s per right answer graded difference")
    assert {line[0]: ("3.2" in line, "–" in line) for line in lines if line[0] in ("q4_0", "q8_0")} == {
        "q4_0": (True, False),
        "q8_0": (False, True),
    }


def test_a_pick_of_another_budget_says_that_its_answers_were_not_looked_at() -> None:
    text = sentence(outcome(Budget(max_kl=0.01), q4_0=graded(0)))
    assert text.startswith("ship q8_0: ") and "its answers not graded yet" in text


def test_the_next_file_to_ask_is_what_would_be_picked_until_it_has_been_asked() -> None:
    budget, loss = Budget(), graded(-12, p_value=0.01)
    assert next_asked(LADDER, budget, {}, "f16", every=False) == "q4_0"
    assert next_asked(LADDER, budget, {"q4_0": loss}, "f16", every=False) == "q8_0"
    assert next_asked(LADDER, budget, {"q4_0": graded(0)}, "f16", every=False) is None
    assert next_asked(LADDER, budget, {"q4_0": loss, "q8_0": loss}, "f16", every=False) is None


def test_thoroughly_every_file_is_asked_the_fastest_first() -> None:
    asked: dict[str, Graded] = {}
    while name := next_asked(LADDER, Budget(), asked, "f16", every=True):
        asked[name] = graded(0)
    assert list(asked) == ["q2_k", "q4_0", "q8_0"]


def test_an_outcome_is_the_same_after_it_was_kept(tmp_path: Path) -> None:
    turns = Beside(quantization="q4_0", file=(50.0, 52.0), reference=(25.0, 26.0))
    found = dataclasses.replace(outcome(q4_0=graded(-2, told_apart=True)), beside=turns)
    found.save(tmp_path / "pick-one")
    assert read_outcome(tmp_path / "pick-one") == found
    assert find_outcomes([tmp_path]) == [tmp_path / "pick-one"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "2.0"}, "schema_version is '2.0', this reads 1.0; update Tradeoff"),
        ({"reference": "q8_0"}, "its first file is not the reference q8_0"),
        ({"arms": 3}, "arms is 3; expected a list"),
    ],
)
def test_an_outcome_that_cannot_be_shown_is_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    outcome().save(tmp_path)
    path = tmp_path / "pick.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(PickError, match=message):
        read_outcome(tmp_path)


@pytest.mark.parametrize(
    ("place", "value", "whose"),
    [
        (("arms", 0, "size_bytes"), 0, "f16"),
        (("arms", 1, "decode_samples"), [], "q8_0"),
        (("arms", 2, "peak_rss_bytes"), 10**400, "q4_0"),
        (("graded", "q4_0", "comparison", "n"), 0, "q4_0's answers"),
        (("graded", "q4_0", "comparison", "only_a"), 61, "q4_0's answers"),
        (("budget", "max_loss_points"), -1, "its budget"),
    ],
)
def test_figures_that_cannot_be_are_refused_before_they_are_drawn(
    tmp_path: Path, place: tuple[Any, ...], value: object, whose: str
) -> None:
    outcome(q4_0=graded(-2)).save(tmp_path)
    kept = part = json.loads((tmp_path / "pick.json").read_text())
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    (tmp_path / "pick.json").write_text(json.dumps(kept))
    with pytest.raises(PickError, match=f"the figures of {whose} are none that can be"):
        read_outcome(tmp_path)


def test_where_no_prompt_is_graded_differently_no_interval_is_given() -> None:
    same = graded(0)
    found = outcome(q4_0=dataclasses.replace(same, comparison=dataclasses.replace(same.comparison, only_a=0, only_b=0)))
    assert "graded alike on each of 60 prompts of core (a loss of " in sentence(found)
    assert "none, of 60" in table(found)


def test_the_registry_entry_can_be_read() -> None:
    text = how_to_serve(outcome(q4_0=graded(0)))
    assert text.splitlines()[0] == "llama-server -m /models/tuned.q4_0.gguf -c 4096 -t 2"
    entry = parse_registry(text[text.index("[[model]]") :], Path("/x/models.toml"))["tuned-q4_0"]
    assert entry.quantization == "q4_0"


def test_a_budget_is_written_as_it_is_read() -> None:
    for text in ("memory=2GB,min-tok-s=20,max-kl=0.1,max-loss=2", "", "max-kl=0.000001"):
        assert parse_budget(budget_text(parse_budget(text))) == parse_budget(text)


def test_a_budget_is_read_with_its_units() -> None:
    assert parse_budget("memory=2GB, min-tok-s=20,max-kl=0.1,max-loss=2") == Budget(
        memory_bytes=2e9, min_tok_per_s=20, max_kl=0.1, max_loss_points=2
    )
    assert parse_budget("") == Budget()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("speed=3", "unknown limit 'speed'; known: memory, min-tok-s, max-kl, max-loss"),
        ("memory=2", "memory is '2'; write it with its unit"),
        ("max-kl=-1", "max-kl is '-1'; it must be a number of at least 0"),
        ("max-kl=1,max-kl=2", "max-kl is there twice"),
        ("max-loss", "max-loss is ''"),
        ("min-tok-s=" + "9" * 400, "min-tok-s is '9"),
        ("memory=" + "9" * 400 + "GB", "memory is '9"),
    ],
)
def test_a_wrong_budget_is_one_line(text: str, message: str) -> None:
    with pytest.raises(BudgetError, match=message):
        parse_budget(text)


def test_the_ledger_finds_what_was_measured_here_and_skips_a_torn_line(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "arms.jsonl", "here")
    ledger.add(LADDER[1])
    later = dataclasses.replace(LADDER[1], load_s=9.0)
    ledger.add(later)
    with ledger.path.open("a") as file:
        file.write('{"key": "here", "arm": {"quantiz')
    assert ledger.find("q8_0") == later
    assert ledger.find("q4_0") is None
    with ledger.path.open("ab") as file:
        file.write(b"\xff\xfe\n" + b"[" * 100_000 + b"\n")
    assert ledger.find("q8_0") == later
    assert Ledger(ledger.path, "another machine").find("q8_0") is None
