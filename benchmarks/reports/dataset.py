"""A finished run as a Hub dataset: manifest, every sample, and a card that tells what it says."""

import json

from benchmarks.reports.content import collect
from benchmarks.reports.text import markdown_report
from benchmarks.runs.on_disk import without_paths
from benchmarks.runs.read import MANIFEST_NAME, SAMPLES_NAME, Run, RunError

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


def dataset_files(run: Run) -> dict[str, bytes]:
    """What goes to the Hub, by path.

    Raises:
        RunError: The run is not finished, or has no rows.
    """
    if not run.finished:
        raise RunError(f"{run.directory}: not finished; go on with --resume, then push it")
    with (run.directory / SAMPLES_NAME).open(encoding="utf-8", newline="\n") as rows:
        samples = "".join(map(_line, rows))
    manifest = json.dumps(without_paths(dict(run.manifest)), indent=2, ensure_ascii=False) + "\n"
    return {
        "README.md": (_FRONT_MATTER + "\n" + markdown_report(collect([run]))).encode(),
        MANIFEST_NAME: manifest.encode(),
        SAMPLES_NAME: samples.encode(),
    }


def _line(line: str) -> str:
    """A row as it is, but for the paths in its error; answers are the models' own words."""
    row = json.loads(line)
    if not row.get("error"):
        return line
    return json.dumps(row | {"error": without_paths(row["error"])}, ensure_ascii=False) + "\n"
