"""Generate reasoning_gym items: an order as JSON on stdin, one JSON row a line on stdout.

    PYTHONHASHSEED=0 python -m training.reasoning_tasks < order.json

An order: {"tasks": {"chain_sum": {"max_terms": 3}}, "items_per_task": 100, "first_seed": 0}. Item i of a task is drawn
with seed first_seed + i, so two orders share nothing where their ranges of seeds are apart; small tasks still repeat
questions, which prepare removes by text.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from training.config import TrainingError


def items(tasks: Mapping[str, Mapping[str, Any]], *, items_per_task: int, first_seed: int) -> Iterator[dict[str, str]]:
    """Rows with task, question and answer, task by task.

    Raises:
        TrainingError: Unknown task, or settings that it does not take.
    """
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    for name, settings in tasks.items():
        if name not in DATASETS:
            from difflib import get_close_matches

            close = get_close_matches(name, DATASETS, n=3)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise TrainingError(f"unknown reasoning_gym task {name!r}{hint}")
        try:
            task = reasoning_gym.create_dataset(name, size=items_per_task, seed=first_seed, **settings)
        except (TypeError, AssertionError, ValueError) as error:
            raise TrainingError(f"task {name!r} does not take {dict(settings)}: {error}") from None
        for index in range(items_per_task):
            item = task[index]
            if item["answer"] is not None:
                yield {"task": name, "question": item["question"], "answer": str(item["answer"])}


def main() -> int:
    try:
        order = json.loads(sys.stdin.read())
        for row in items(order["tasks"], items_per_task=order["items_per_task"], first_seed=order["first_seed"]):
            print(json.dumps(row))
    except (TrainingError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
