"""Write the base model's own answers, which training mixes in so that the model does not forget how to chat.

    python -m training.replay training/configs/smollm2-135m-r8.toml [--part 0/2]

Prompts come from files, and from the base itself: given its template up to where a user's turn begins, an instruct
model writes a prompt, which it then answers (Magpie, arXiv:2406.08464). What is unfinished, loops or refuses is
dropped. An interrupted command goes on where it stopped; `--part 0/2` and `--part 1/2` share the work between two GPUs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command, say
from training.config import TrainingError, load_config
from training.run_directory import RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.replay", __doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="its replay sources without a path are written")
    parser.add_argument("--part", type=_part, default=(0, 1), metavar="K/N", help="the K-th of N shares, from 0")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of the config")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where results go (default: runs/)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="start it again to go on")


def _run(options: argparse.Namespace) -> int:
    from training.rows.replay import write_parts

    config = load_config(options.config, options.set)
    sources = {name: each for name, each in config.data.sources.items() if each.kind == "replay" and not each.path}
    if not sources:
        raise TrainingError(f"{options.config}: no replay source without a path; nothing to write")
    for name, source in sources.items():
        index, of = options.part
        paths = write_parts(name, source, config, runs=options.runs, index=index, of=of)
        say(f"{name}: {sum(1 for path in paths for _ in path.open(encoding='utf-8')):,} pairs in {len(paths)} parts")
    return 0


def _part(text: str) -> tuple[int, int]:
    index, slash, of = text.partition("/")
    if not (slash and index.isdigit() and of.isdigit() and int(index) < int(of)):
        raise argparse.ArgumentTypeError(f"{text!r}: write K/N, such as 0/2 and 1/2")
    return int(index), int(of)


if __name__ == "__main__":
    sys.exit(main())
