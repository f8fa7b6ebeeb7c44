"""Write the held-out suite of generated tasks.

    python -m training.reasoning_suite [--out data/prompts/reasoning.jsonl]

The suite is in-distribution: its questions are drawn from the tasks that the embedded family was trained on, of other
seeds. It tells what training taught, not what a model can do in general.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command
from data.paths import ROOT

TASKS = ROOT / "data" / "prompts" / "reasoning.toml"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.reasoning_suite", __doc__)
    parser.add_argument("--tasks", type=Path, default=TASKS, metavar="TOML", help="default: reasoning.toml")
    parser.add_argument("--out", type=Path, default=TASKS.with_suffix(".jsonl"), metavar="JSONL")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _run(options: argparse.Namespace) -> int:
    from training.rows.reasoning_suite import suite_lines

    lines = suite_lines(options.tasks)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    options.out.write_text(text, encoding="utf-8")
    print(f"{options.out}: {len(lines)} prompts of {len({line['kind'] for line in lines})} tasks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
