import json
from pathlib import Path

import pytest

from benchmarks import compare
from benchmarks.analysis import comparisons
from benchmarks.runs.read import Row, RunError, read_run
from benchmarks.runs.write import RunWriter, write_manifest


def a_run(directory: Path, grades: dict[str, list[float | None]]) -> Path:
    """A run with one row per model and prompt; None is an answer that could not be graded."""
    with RunWriter(directory) as writer:
        write_manifest(directory, {"schema_version": "1.0", "run_id": "r", "models": {name: {} for name in grades}})
        for model, values in grades.items():
            for number, grade in enumerate(values):
                writer.write(
                    Row(
                        model=model,
                        model_sha256=model,
                        suite="core",
                        prompt_id=f"p{number}",
                        kind="facts" if number % 2 else "logic",
                        condition="batched",
                        repetition=0,
                        seed=0,
                        started_at="2026-11-24T00:00:00",
                        grade=grade,
                    )
                )
    return directory


def test_models_are_compared_on_the_prompts_that_both_were_graded_on(tmp_path: Path) -> None:
    directory = a_run(tmp_path / "r", {"base": [0, 0, 1, None, 1, 0], "tuned": [1, 1, 1, 1, 0, 0]})
    (found,) = comparisons.compare(read_run(directory), "base")
    assert (found.n, found.left_out, found.only_b, found.only_a) == (5, 1, 1, 2)
    assert found.difference == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_kinds_are_compared_apart_when_asked(tmp_path: Path) -> None:
    directory = a_run(tmp_path / "r", {"base": [0, 1, 0, 1], "tuned": [1, 1, 1, 1]})
    found = comparisons.compare(read_run(directory), "base", by_kind=True)
    assert {each.kinds: each.difference for each in found} == {(): 0.5, ("logic",): 1.0, ("facts",): 0.0}


def test_the_table_says_who_is_non_inferior_within_the_margin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = [float(number % 2) for number in range(40)]
    directory = a_run(tmp_path / "r", {"base": same, "same": same, "worse": [0.0] * 40})
    assert compare.main([str(directory), "--base", "base", "--margin", "5", "--json"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit("|", 2)[1].strip() for line in lines[4:6]] == ["yes", "no"]
    assert [each["p_value"] < 0.01 for each in json.loads(lines[-1])] == [False, True]


def test_a_model_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = a_run(tmp_path / "r", {"base": [1.0], "tuned": [1.0]})
    assert compare.main([str(directory), "--base", "nope"]) == 1
    assert "no model 'nope'; it has base, tuned" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        compare.main([str(directory)])
    assert "one run needs --base ID" in capsys.readouterr().err
    ungraded = a_run(tmp_path / "u", {"base": [None, None], "tuned": [1.0, 0.0]})
    assert compare.main([str(ungraded), "--base", "base"]) == 1
    assert "nothing is graded for 'base' and another model" in capsys.readouterr().err
    with pytest.raises(RunError, match="one model only"):
        comparisons.compare(read_run(a_run(tmp_path / "s", {"base": [1.0]})), "base")
