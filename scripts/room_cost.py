"""What room for full answers costs: tokens written per suite now, and under the limits of an earlier version of it.

    git show 9975354:data/prompts/core.jsonl > core.jsonl
    python scripts/room_cost.py RUN core.jsonl

Of every model of the run, whose answers are counted as they are and as they would have been cut.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.runs.read import read_run


def main() -> int:
    """Exit status: 0."""
    run, suite = read_run(Path(sys.argv[1])), Path(sys.argv[2]).stem
    lines = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    limits = {line["id"]: line["max_tokens"] for line in map(json.loads, lines)}
    for model, rows in run.by_model.items():
        asked = [row for row in rows if (row.suite, row.condition) == (suite, "batched") and row.completion_tokens]
        now = sum(row.completion_tokens or 0 for row in asked)
        then = sum(min(row.completion_tokens or 0, limits[row.prompt_id]) for row in asked)
        if then:
            print(f"{model}: {len(asked)} prompts, {now:,} tokens, {then:,} under those limits: {now / then:.2f} times")
    return 0


if __name__ == "__main__":
    sys.exit(main())
