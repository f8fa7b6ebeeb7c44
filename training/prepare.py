"""Write the examples that a configuration trains on: once, as token ids and labels, for every backend and rank.

    python -m training.prepare training/configs/llama-3.2-1b-r8.toml

Rows are read, brought to one form, and dropped where they are too long, repeated, or overlap with what is measured;
how many is in the data card. The result is shared by every run with the same data and tokenizer.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command
from training.config import load_config
from training.run_directory import RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.prepare", __doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of the config")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where results go (default: runs/)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written; start it again")


def _run(options: argparse.Namespace) -> int:
    from training.rows.build import prepare
    from training.rows.data_card import card_text

    prepared = prepare(load_config(options.config, options.set), runs=options.runs)
    print(card_text(prepared.card))
    print(f"written: {prepared.path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
