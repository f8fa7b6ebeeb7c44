import json
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.graders import grade
from benchmarks.graders.ifeval import CHECKS
from data.suites.prompts import load_suite
from training.demands import OUT, main
from training.rows.demands import demand_rows, follows


def test_the_committed_file_is_what_the_command_writes(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path / "made.jsonl")]) == 0
    assert (tmp_path / "made.jsonl").read_bytes() == OUT.read_bytes()


def test_the_file_is_a_suite_of_ifevals_form() -> None:
    suite = load_suite(f"ifeval:{OUT}")
    assert suite.name == "ifeval-generated" and len(suite.prompts) == 207
    assert {prompt.max_tokens for prompt in suite.prompts} == {1024}
    assert not any(grade(prompt, "").value for prompt in suite.prompts)


def test_every_kind_of_demand_comes_first_equally_often() -> None:
    first = [row["instruction_id_list"][0] for row in demand_rows(count=207, seed=1, share="held out")]
    assert {first.count(name) for name in first} == {9} and len(set(first)) == 23 and set(first) <= set(CHECKS)


def test_what_one_trains_on_the_other_does_not_ask() -> None:
    train = {row["prompt"].partition(".")[0] for row in demand_rows(count=2000, seed=3407, share="train")}
    held_out = {row["prompt"].partition(".")[0] for row in demand_rows(count=207, seed=3407, share="held out")}
    assert not train & held_out


def test_no_request_comes_twice_and_a_seed_repeats_itself() -> None:
    rows = list(demand_rows(count=3000, seed=5, share="train"))
    assert len({row["prompt"] for row in rows}) == 3000
    assert rows[:50] == list(demand_rows(count=50, seed=5, share="train"))


@pytest.mark.parametrize(
    ("name", "options", "met", "missed"),
    [
        (
            "startend:end_checker",
            {"end_phrase": "Come and see it yourself."},
            "Yes. Come and see it yourself.",
            "Come!",
        ),
        ("detectable_format:title", {}, "<<Trains>>\nThey run.", "Trains\nThey run."),
        (
            "detectable_content:postscript",
            {"postscript_marker": "P.P.S"},
            "Hello.\nP.P.S Write!",
            "Hello.\nP.S. Write!",
        ),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "One.\n***\nTwo.", "One.\n\nTwo."),
    ],
)
def test_an_answer_that_misses_a_demand_is_not_kept(name: str, options: dict[str, str], met: str, missed: str) -> None:
    row = {"instruction_id_list": [name], "kwargs": [options]}
    assert follows(met, row) and not follows(missed, row) and follows(missed, None)


def test_demands_that_exclude_each_other_never_stand_together() -> None:
    together = {
        frozenset(pair)
        for row in demand_rows(count=4000, seed=9, share="train")
        for pair in combinations(row["instruction_id_list"], 2)
    }
    for one, other in (
        ("change_case:english_capital", "change_case:english_lowercase"),
        ("startend:quotation", "startend:end_checker"),
        ("language:response_language", "keywords:existence"),
        ("detectable_format:json_format", "detectable_format:title"),
    ):
        assert frozenset({one, other}) not in together
    assert len(together) > 100


def test_rows_are_json_as_the_hub_has_them() -> None:
    row = json.loads(OUT.read_text(encoding="utf-8").splitlines()[0])
    assert set(row) == {"key", "prompt", "instruction_id_list", "kwargs"}
    assert len(row["instruction_id_list"]) == len(row["kwargs"])
