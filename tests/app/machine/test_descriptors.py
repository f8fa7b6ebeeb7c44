"""What `ulimit -n` means for the pages."""

from app.machine.descriptors import WANTED, WANTED_PAGES, pages, problem_with


def test_as_many_as_are_wanted_are_no_problem() -> None:
    assert problem_with(WANTED) is None and pages(WANTED) == WANTED_PAGES


def test_too_few_are_named_with_what_they_allow_and_what_is_needed() -> None:
    problem = problem_with(1024) or ""
    assert "ulimit -n is 1,024: 96 pages" in problem and f"{WANTED:,}" in problem and "\n" not in problem


def test_one_page_is_always_served() -> None:
    assert pages(10) == 1
