import re
from pathlib import Path

import pytest

from benchmarks.graders import grade
from data.suites.prompts import load_suite
from training.config import TrainingError
from training.reasoning_suite import TASKS
from training.rows.reasoning_suite import suite_lines
from training.rows.reasoning_tasks import generate, read_tasks
from training.rows.worked_answers import INSTRUCTION

WORKED = ("chain_sum", "products", "gcd", "simple_equations", "leg_counting", "letter_counting", "spell_backward")


@pytest.mark.slow
def test_the_shipped_suite_is_what_its_tasks_file_makes(tmp_path: Path) -> None:
    settings = re.split(r"\n(?=\[tasks\.)", TASKS.read_text())
    few = tmp_path / "few.toml"
    few.write_text(
        "\n".join([settings[0], *(part for part in settings[1:] if "chain_sum]" in part or "syllog" in part)])
    )
    shipped = {prompt.id: prompt.text for prompt in load_suite("reasoning").prompts}
    made = {line["id"]: line["prompt"] for line in suite_lines(few)}
    assert len(made) == 50
    assert made == {key: text for key, text in shipped.items() if key in made}


def test_no_training_item_has_a_held_out_seed() -> None:
    tasks = read_tasks(TASKS)
    assert tasks.train_first_seed + tasks.train_items < tasks.held_out_first_seed


@pytest.mark.slow
def test_worked_answers_end_on_the_result_and_their_sums_are_right() -> None:
    rows = generate({task: {} for task in WORKED}, items_per_task=20, first_seed=5)
    assert {row["task"] for row in rows} == set(WORKED)
    checked = 0
    for row in rows:
        assert INSTRUCTION in row["question"]
        assert row["answer"].endswith(f"The answer is {row['result']}.")
        for left, sign, right, result in re.findall(
            r"(?<![\d.*])(-?\d+) ([+*-]) (-?\d+) = (-?\d+)(?![\d.])", row["answer"]
        ):
            expected = {"+": int(left) + int(right), "-": int(left) - int(right), "*": int(left) * int(right)}[sign]
            assert int(result) == expected, row["answer"]
            checked += 1
    assert checked > 100


@pytest.mark.slow
def test_the_same_order_gives_the_same_rows() -> None:
    order = {"family_relationships": {}, "word_sorting": {"max_words": 4}}
    assert generate(order, items_per_task=5, first_seed=9) == generate(order, items_per_task=5, first_seed=9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "reason"),
    [({"chain_sums": {}}, "did you mean 'chain_sum'"), ({"chain_sum": {"max_term": 3}}, "does not take")],
)
def test_a_task_that_is_not_there_or_takes_no_such_setting_is_one_line(
    tasks: dict[str, dict[str, int]], reason: str
) -> None:
    with pytest.raises(TrainingError, match=reason):
        generate(tasks, items_per_task=1, first_seed=0)


def test_seeds_that_overlap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.toml"
    path.write_text(
        "train_first_seed = 1\ntrain_items = 50\nheld_out_first_seed = 20\nheld_out_items = 5\n[tasks.gcd]\n"
    )
    with pytest.raises(TrainingError, match="overlap"):
        read_tasks(path)


def test_a_bare_right_result_is_right_whatever_the_form() -> None:
    for prompt in load_suite("reasoning").prompts[::40]:
        assert grade(prompt, prompt.right).value == 1
