import json
from pathlib import Path

import pytest

from benchmarks import judge, run
from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import RunError
from benchmarks.statistics.preference import Ask, Judgement, answered_pairs, judge_run, read_choice, report_text
from tests.benchmarks.made_runs import graded_rows, made_run

RUN = made_run(graded_rows("a", "1100"), graded_rows("b", "1100"))
QUESTIONS = {("core", f"p{place}"): f"Question {place}?" for place in range(4)}


@pytest.mark.parametrize(
    ("reply", "wanted"),
    [
        ("1", "a"),
        ("Answer 2.", "b"),
        ("The second answer", "b"),
        ("tie", "tie"),
        ("Both are equal", "tie"),
        ("1 or 2", None),
        ("I like turtles", None),
        ("", None),
        (None, None),
        ("21", None),
    ],
)
def test_a_reply_names_one_answer_or_none(reply: str | None, wanted: str | None) -> None:
    assert read_choice(reply) == wanted


def prefers(text: str) -> Ask:
    """A judge that chooses the answer with this text wherever it stands."""
    return lambda prompt: "1" if text in prompt.partition("Answer 2:")[0].partition("Answer 1:")[2] else "2"


def test_a_judge_that_keeps_its_mind_decides() -> None:
    found = judge_run(RUN, "a", "b", QUESTIONS, prefers("a "), judge="j")
    assert (found.wins_a, found.wins_b, found.ties, found.ungradable, found.consistency) == (4, 0, 0, 0, 1.0)
    assert found.preference is not None and found.preference.estimate == 1


def test_a_judge_that_decides_by_position_gives_ties_and_its_consistency_shows_it() -> None:
    found = judge_run(RUN, "a", "b", QUESTIONS, lambda prompt: "1", judge="j")
    assert (found.wins_a, found.wins_b, found.ties, found.consistency, found.p_value) == (0, 0, 4, 0.0, 1.0)
    assert "kept its mind when the order changed: 0%" in report_text(found)


def test_a_judge_that_answers_nonsense_is_ungradable_and_not_a_tie() -> None:
    replies = iter(["turtles", "1", None, None, "1", "2", "1", "2"])
    found = judge_run(RUN, "a", "b", QUESTIONS, lambda prompt: next(replies), judge="j")
    assert (found.wins_a, found.ties, found.ungradable) == (2, 0, 2)
    nothing = judge_run(RUN, "a", "b", QUESTIONS, lambda prompt: "?", judge="j")
    assert (nothing.ungradable, nothing.preference, nothing.consistency, nothing.p_value) == (4, None, None, None)
    assert report_text(nothing).endswith("nothing follows")


def test_a_bias_for_the_longer_answer_is_reported() -> None:
    long = made_run(graded_rows("a", "1100", answer="a long " * 9), graded_rows("b", "1100", answer="b"))
    found = judge_run(long, "a", "b", QUESTIONS, prefers("a long"), judge="j", limit=3)
    assert found.longer_won == 1.0 and len(found.judgements) == 3
    assert isinstance(found.judgements[0], Judgement) and found.judgements[0].longer == "a"


def test_answers_that_nothing_graded_are_judged_too_under_the_condition_that_has_most_of_them() -> None:
    alone = graded_rows("a", "1", condition="timed-cold"), graded_rows("b", "1", condition="timed-cold")
    ungraded = made_run(graded_rows("a", "----"), graded_rows("b", "---"), *alone)
    assert [one.condition for one, _ in answered_pairs(ungraded, "a", "b", QUESTIONS)] == ["batched"] * 3


def test_models_that_share_no_answer_are_one_line() -> None:
    with pytest.raises(RunError, match="answered no prompt in common"):
        answered_pairs(RUN, "a", "b", [("other", "p0")])
    with pytest.raises(RunError, match="no model 'c'"):
        answered_pairs(RUN, "a", "c", QUESTIONS)


def script(name: str, **facts: object) -> None:
    Path(f"{name}.json").write_text(json.dumps(facts))


def test_the_command_lets_a_third_model_judge_a_run_and_refuses_one_of_the_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    script("good", reply="It is Paris")
    script("bad", reply="Lyon it is")
    script("referee", replies={"Answer 1:\nIt is Paris": "1", "Answer 1:\nLyon it is": "2"})
    Path("mine.csv").write_text("prompt,grader,answer\nCapital of France?,keywords,Paris\nAnd of it?,keywords,Paris\n")
    Path("test.toml").write_text(
        'name = "t"\nengine = "scripted"\nmodels = ["good.json", "bad.json"]\nsuites = ["./mine.csv"]\nwarmups = 0\n'
    )
    assert run.main(["test.toml"]) == 0
    (directory,) = find_runs([Path("results")])
    command = [str(directory), "good", "bad", "--engine", "scripted", "--judge"]
    assert judge.main([*command, "referee.json", "--json"]) == 0
    out = capsys.readouterr().out
    assert "referee on good against bad: 2 won, 0 lost, 0 ties, 0 ungradable" in out
    assert json.loads(out.splitlines()[-1])["consistency"] == 1.0
    assert judge.main([*command, "good.json"]) == 1
    assert "good is one of the models judged; choose another judge" in capsys.readouterr().err
    assert judge.main([*command, "missing.json"]) == 1
    assert "the judge missing cannot be loaded" in capsys.readouterr().err
    Path("mine.csv").write_text("prompt,grader,answer\nOther?,exact,yes\n")
    assert judge.main([*command, "referee.json"]) == 1
    assert "suite mine has changed since" in capsys.readouterr().err
