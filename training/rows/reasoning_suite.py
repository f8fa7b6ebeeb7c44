"""The held-out suite of generated tasks, as lines of a suite's file."""

from pathlib import Path
from typing import Any

from training.rows.reasoning_tasks import generate, read_tasks
from training.rows.worked_answers import INSTRUCTION

_MOST_TOKENS = 1024
"""Room to work: a limit that decides would rank terseness."""


def suite_lines(tasks_file: Path) -> list[dict[str, Any]]:
    """Prompts in the suites' format, with graders and example answers.

    Raises:
        TrainingError: The tasks file is wrong.
    """
    tasks = read_tasks(tasks_file)
    lines: list[dict[str, Any]] = []
    for name, settings in tasks.tasks.items():
        # More than wanted: questions that repeat are left out.
        rows = generate({name: settings}, items_per_task=2 * tasks.held_out_items, first_seed=tasks.held_out_first_seed)
        distinct = list({row["question"]: row for row in rows}.values())[: tasks.held_out_items]
        for number, row in enumerate(distinct, start=1):
            other = next(one for one in distinct if one["result"] != row["result"])
            lines.append(
                {
                    "id": f"{name}-{number:02d}",
                    "kind": name,
                    "template": name,
                    "prompt": row["question"],
                    "grader": _grader(row["result"], worked=INSTRUCTION in row["question"]),
                    "max_tokens": _MOST_TOKENS,
                    "right": row["answer"],
                    "wrong": other["answer"],
                }
            )
    return lines


def _grader(result: str, *, worked: bool) -> dict[str, Any]:
    try:
        value = float(result)
    except ValueError:
        where = {"where": "last line"} if worked else {}
        return {"name": "exact", "answers": [result], **where}
    return {"name": "numeric", "value": int(value) if value == int(value) else value}
