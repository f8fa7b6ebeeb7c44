"""All runs below some directories, as the app, the site and the reports show them."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from benchmarks.runs.read import FIXED_SHAPE, MANIFEST_NAME, SAMPLES_NAME, Run, RunError, read_run

if TYPE_CHECKING:
    import pandas as pd

RESULTS = ("wrong", "right", "partly", "not graded", "error")
"""What can become of an answer, as `samples_table` calls it."""

_PATH = re.compile(r"(?<![\w:/.])(?:~|\.{1,2})?/[^\s'\":,;]+")


@dataclass(frozen=True, kw_only=True)
class ReadRuns:
    """Runs that could be read, newest first, and one line for each that could not, or not whole."""

    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def find_runs(directories: Iterable[Path]) -> list[Path]:
    """Directories of runs under the given ones, or given themselves, by name; missing ones are skipped."""
    found = {
        path.parent
        for directory in directories
        for path in (*directory.glob(f"*/{MANIFEST_NAME}"), *directory.glob(MANIFEST_NAME))
    }
    return sorted(found, key=lambda path: (path.name, str(path)))


def load_runs(directories: Sequence[Path]) -> ReadRuns:
    """Read every run below the directories; a broken one is named and left out."""
    runs, problems = [], []
    for directory in find_runs(directories):
        try:
            run = read_run(directory)
        except RunError as error:
            problems.append(str(error).replace(f"{directory.parent}/", ""))
            continue
        runs.append(run)
        if run.lost_rows:
            problems.append(
                f"{directory.name}/{SAMPLES_NAME}: {run.lost_rows:,} of the {run.manifest['rows']:,} samples that "
                f"{MANIFEST_NAME} counts are lost; figures are of the rest: bring the whole file back"
            )
    return ReadRuns(runs=tuple(newest_first(runs)), problems=tuple(problems))


def newest_first(runs: Iterable[Run]) -> list[Run]:
    return sorted(runs, key=lambda run: (str(run.manifest.get("created_at", "")), run.id), reverse=True)


def fingerprint(directories: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a run appears, grows or goes; cheap enough for every page view."""
    stats = []
    for directory in find_runs(directories):
        for path in sorted(directory.glob("[!.]*.json*")):
            with suppress(FileNotFoundError):  # gone since it was listed
                stat = path.stat()
                stats.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(stats)


def without_paths(value: Any) -> Any:
    """The same with the last part of every path: who reads it elsewhere has no use for the rest."""
    if isinstance(value, dict):
        return {without_paths(key): without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    if isinstance(value, str):
        return _PATH.sub(lambda found: PurePath(found[0]).name, value)
    return value


def samples_table(run: Run, model: str) -> "pd.DataFrame":
    """The graded samples behind a model's point, wrong answers first."""
    import pandas as pd

    rows = [row for row in run.rows if row.model == model and row.kind != FIXED_SHAPE]
    table = pd.DataFrame(
        [
            {
                "prompt": row.prompt_id,
                "kind": row.kind,
                "result": "error"
                if row.error
                else {None: "not graded", 1.0: "right", 0.0: "wrong"}.get(row.grade, "partly"),
                "reason": row.error or row.grade_reason,
                "answer": row.answer,
                "tokens": row.completion_tokens,
                "decode_tok_per_s": row.decode_tok_per_s,
                "ttft_s": row.ttft_s,
                "ended": row.finish_reason,
            }
            for row in rows
        ]
    )
    order = {"error": 0, "not graded": 1, "wrong": 2, "partly": 3, "right": 4}
    return table.sort_values("result", key=lambda column: column.map(order), kind="stable") if len(table) else table


def run_name(run: Run) -> str:
    """Name, time and state of a run, for a list."""
    started = str(run.manifest.get("created_at", ""))[:16].replace("T", " ")
    name = run.manifest.get("config", {}).get("name", run.id)
    return f"{name} · {started} UTC" + ("" if run.finished else " · unfinished")
