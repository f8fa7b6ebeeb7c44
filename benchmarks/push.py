"""Push a finished run to the Hugging Face Hub as a dataset: manifest, every sample, and a card that tells what it says.

    python -m benchmarks.push RUN --repo your-name/embedded-benchmark [--private]

Needs a token that may write: set HF_TOKEN or run `hf auth login`. Answers of the models and the prompts' ids go public
with it; paths of this machine do not.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run or the Hub is not as it must be."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="run it again; nothing was published unless a page was named")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.reports.dataset import dataset_files
    from benchmarks.runs.read import read_run
    from data.hub.repository import push_files

    run = read_run(options.run)
    print(push_files(options.repo, dataset_files(run), message=f"Tradeoff run {run.id}", private=options.private))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.push", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="made where it is not there yet")
    parser.add_argument("--private", action="store_true", help="visible to you alone")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
