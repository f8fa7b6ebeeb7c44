import pytest

from app.chat.suite_prompts import EXAMPLES, examples, find, grade_reply, library
from app.library.first_pair import TINY
from benchmarks.runs.read import read_run
from data.paths import ROOT


def test_the_library_has_the_suites_prompts_that_are_one_question() -> None:
    assert {"core", "reasoning", "report"} <= set(library())
    assert all(each.prompt.messages[-1].role == "user" for prompts in library().values() for each in prompts)


def test_a_reply_to_a_suites_prompt_is_graded_and_another_is_not() -> None:
    prompt = library()["core"][0].prompt
    assert find(f"  {prompt.text}\n") is not None
    right, wrong = grade_reply(prompt.text, prompt.right), grade_reply(prompt.text, prompt.wrong)
    assert right is not None and wrong is not None and (right.value, wrong.value) == (1.0, 0.0)
    assert grade_reply("hello", "hello") is None


@pytest.mark.parametrize(
    ("run_id", "pair"),
    [
        ("embedded-2*", TINY),
        ("real-2*", ("qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")),
        ("real-core-*", ("qwen2.5-coder-0.5b-r8", "qwen2.5-coder-1.5b-r16")),
    ],
)
def test_the_runs_show_in_the_examples_what_is_said_of_them(run_id: str, pair: tuple[str, str]) -> None:
    run = read_run(next((ROOT / "benchmarks" / "results").glob(run_id)))
    small, large = pair
    right = {
        (row.model, row.suite, row.prompt_id): row.right
        for row in run.rows
        if row.model in pair and row.condition == "batched" and row.is_answer
    }
    found = [tuple(right[model, suite, prompt_id] for model in (small, large)) for suite, prompt_id, _ in EXAMPLES]
    assert found == [(True, True), (False, True), (False, True)] and len(examples()) == len(EXAMPLES)
