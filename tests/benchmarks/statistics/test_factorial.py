import pytest

from benchmarks.runs.read import Run, RunError
from benchmarks.statistics.factorial import cells_of, factorial
from tests.benchmarks.made_runs import graded_rows, made_run

GRADES = {("99M", 8): "00000000", ("99M", 16): "11000000", ("135M", 8): "11110000", ("135M", 16): "11111111"}


def square(grades: dict[tuple[str, int], str] = GRADES, **facts: str) -> Run:
    names = {f"{size}-r{rank}": (size, rank) for size, rank in grades}
    return made_run(
        *(graded_rows(name, grades[cell]) for name, cell in names.items()),
        graded_rows("base", "10000000"),
        facts={
            name: {"size": size, "rank": rank, "base": "B", "quantization": "q8_0", **facts}
            for name, (size, rank) in names.items()
        },
    )


def test_main_effects_and_interaction_are_those_of_the_four_shares() -> None:
    found = factorial(square())
    assert (found.sizes, found.ranks, found.n) == (("99M", "135M"), (8, 16), 8)
    assert found.shares[("135M", 16)] == 1.0 and found.models[("99M", 8)] == "99M-r8"
    assert found.size.estimate == pytest.approx((0.5 + 1 - 0 - 0.25) / 2)
    assert found.rank.estimate == pytest.approx((0.25 + 1 - 0 - 0.5) / 2)
    assert found.interaction.estimate == pytest.approx((1 - 0.5) - (0.25 - 0))
    assert found.size.low < found.size.estimate < found.size.high


def test_sizes_are_ordered_by_what_they_say_and_not_by_their_letters() -> None:
    assert factorial(square()).sizes == ("99M", "135M")


def test_bases_that_differ_in_their_size_alone_are_one_family() -> None:
    run = square()
    for name in GRADES:
        run.models[f"{name[0]}-r{name[1]}"]["base"] = f"Maker-2.5-{name[0]}-Instruct"
    assert cells_of(run) == {cell: f"{cell[0]}-r{cell[1]}" for cell in GRADES}
    run.models["135M-r16"]["base"] = "Another-135M-Instruct"
    with pytest.raises(RunError, match="no four models"):
        cells_of(run)


def test_prompts_that_one_of_the_four_has_not_graded_are_left_out() -> None:
    assert factorial(square(GRADES | {("99M", 8): "000000--"})).n == 6


def test_without_a_square_of_one_family_there_is_one_line_that_says_what_there_is() -> None:
    three = {cell: grades for cell, grades in GRADES.items() if cell != ("99M", 8)}
    with pytest.raises(RunError, match=r"two sizes and two ranks \(fine-tunes there: B q8_0: 3\)"):
        cells_of(square(three))
    with pytest.raises(RunError, match="no graded answers yet"):
        factorial(square(dict.fromkeys(GRADES, "--------")))
