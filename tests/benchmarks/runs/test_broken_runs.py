"""Runs on disk as an accident or an attacker leaves them: each costs what is in it, and nothing else."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.analysis.filters import Filters, narrowed
from benchmarks.analysis.points import joined_points
from benchmarks.analysis.verdict import verdict
from benchmarks.runs.on_disk import load_runs, run_name, samples_table
from benchmarks.runs.read import MANIFEST_NAME, SAMPLES_NAME, read_run
from data.errors import TradeoffError
from data.paths import ROOT
from tests.mutations import mutations

SMOKE = ROOT / "benchmarks" / "results" / "smoke-20261124-023507"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A good run, and `broken`, which a test breaks."""
    for name in ("good", "broken"):
        shutil.copytree(SMOKE, tmp_path / name)
    return tmp_path


def look(results: Path, change: str, *, deeply: bool = False) -> None:
    """As the pages do: the good run is there, the broken one is read or named, and nothing raises but one line."""
    found = load_runs([results])
    assert "good" in {run.directory.name for run in found.runs}, change
    assert len(found.runs) == 2 or found.problems, change
    assert not any("\n" in problem or len(problem) > 1000 for problem in found.problems), change
    for run in found.runs:
        shown = [run_name(run), run.id, run.machine, run.finished, *map(run.label, run.by_model)]
        assert shown, change
        for model in run.by_model if deeply else ():
            samples_table(run, model)
    if deeply:
        for machine in (None, *{run.machine for run in found.runs}):
            choice = Filters(machine=machine)
            try:
                joined_points(narrowed(found.runs, choice), machine=machine, axis="decode_tok_per_s")
                verdict(found.runs, *list(found.runs[0].by_model)[:2])
            except TradeoffError:
                continue


def test_any_change_of_a_manifest_costs_at_most_its_run(results: Path) -> None:
    path = results / "broken" / MANIFEST_NAME
    for number, (change, content) in enumerate(mutations(json.loads(path.read_text()), most=250)):
        path.write_text(json.dumps(content))
        try:
            look(results, change, deeply=number % 10 == 0)
        except Exception as error:
            raise AssertionError(change) from error


def test_any_change_of_a_sample_costs_at_most_its_run(results: Path) -> None:
    path = results / "broken" / SAMPLES_NAME
    first, *rest = path.read_text().splitlines()[:12]
    for number, (change, content) in enumerate(mutations(json.loads(first), most=150)):
        path.write_text("\n".join([json.dumps(content), *rest]) + "\n")
        try:
            look(results, change, deeply=number % 5 == 0)
        except Exception as error:
            raise AssertionError(change) from error


@pytest.mark.parametrize("name", [MANIFEST_NAME, SAMPLES_NAME])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 100,
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 100_000 + b"}\n",
        b'{"a": "\\ud800"}\n',
        b'{"a": NaN}\n',
        b"\n\n3\n",
        b"[1]\n{}\n",
    ],
)
def test_no_bytes_are_more_than_one_line(results: Path, name: str, content: bytes) -> None:
    (results / "broken" / name).write_bytes(content)
    look(results, repr(content[:20]))


def test_what_is_no_file_is_named(results: Path) -> None:
    path = results / "broken" / SAMPLES_NAME
    path.unlink()
    path.mkdir()
    assert any(SAMPLES_NAME in problem for problem in load_runs([results]).problems)


def test_a_cut_samples_file_is_noticed_and_its_rest_is_shown(results: Path) -> None:
    path, manifest = results / "broken" / SAMPLES_NAME, results / "broken" / MANIFEST_NAME
    facts: dict[str, Any] = json.loads(manifest.read_text())
    lines = path.read_bytes().splitlines(keepends=True)
    manifest.write_text(json.dumps({**facts, "rows": len(lines)}))
    assert load_runs([results]).problems == ()
    path.write_bytes(b"".join(lines[:-7])[:-5])
    assert read_run(path.parent).lost_rows == 8
    (problem,) = load_runs([results]).problems
    assert problem.startswith(f"broken/{SAMPLES_NAME}: 8 of the {len(lines)} samples")
