"""Push a finished run to the Hugging Face Hub as a dataset: manifest, every sample, and a card that tells what it says.

    python -m benchmarks.push RUN --repo your-name/embedded-benchmark [--private]

Needs a token that may write: set HF_TOKEN or run `hf auth login`. Answers of the models and the prompts' ids go public
with it; paths of this machine do not.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.runs.on_disk import without_paths
from data.command import parser_of, run_command

if TYPE_CHECKING:
    from benchmarks.runs.read import Run

_FRONT_MATTER = """---
tags:
- benchmark
- gguf
- tradeoff
configs:
- config_name: samples
  data_files: samples.jsonl
---
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run or the Hub is not as it must be."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="run it again; nothing was published unless a page was named")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.runs.read import read_run
    from data.hub.repository import push_files

    run = read_run(options.run)
    print(push_files(options.repo, dataset_files(run), message=f"Tradeoff run {run.id}", private=options.private))
    return 0


def dataset_files(run: "Run") -> dict[str, bytes]:
    """What goes to the Hub, by path.

    Raises:
        RunError: The run is not finished, or has no rows.
    """
    from benchmarks.reports.content import collect
    from benchmarks.reports.text import markdown_report
    from benchmarks.runs.read import MANIFEST_NAME, SAMPLES_NAME, RunError

    if not run.finished:
        raise RunError(f"{run.directory}: not finished; go on with --resume, then push it")
    rows = (run.directory / SAMPLES_NAME).read_text(encoding="utf-8")
    manifest = json.dumps(without_paths(dict(run.manifest)), indent=2, ensure_ascii=False) + "\n"
    return {
        "README.md": (_FRONT_MATTER + "\n" + markdown_report(collect([run]))).encode(),
        MANIFEST_NAME: manifest.encode(),
        SAMPLES_NAME: "".join(map(_line, rows.splitlines(keepends=True))).encode(),
    }


def _line(line: str) -> str:
    """A row as it is, but for the paths in its error; answers are the models' own words."""
    row = json.loads(line)
    if not row.get("error"):
        return line
    return json.dumps(row | {"error": without_paths(row["error"])}, ensure_ascii=False) + "\n"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.push", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a finished run's directory")
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="made where it is not there yet")
    parser.add_argument("--private", action="store_true", help="visible to you alone")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
