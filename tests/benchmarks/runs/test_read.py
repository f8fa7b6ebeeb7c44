import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks.runs.on_disk import find_runs
from benchmarks.runs.read import Row, RunError, read_manifest, read_run
from benchmarks.runs.write import RunWriter, write_manifest

MANIFEST: dict[str, Any] = {
    "schema_version": "1.0",
    "run_id": "r",
    "finished_at": None,
    "models": {"m": {"label": "M"}},
}


def row(**changes: Any) -> Row:
    base = Row(
        model="m",
        model_sha256="ab",
        suite="core",
        prompt_id="p1",
        kind="facts",
        condition="timed-cold",
        repetition=0,
        seed=1,
        started_at="2026-01-01T00:00:00+00:00",
    )
    return dataclasses.replace(base, **changes)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    with RunWriter(directory) as writer:
        write_manifest(directory, MANIFEST)
        writer.write(row(answer="Über\n“x”", decode_tokens=10, decode_s=0.5))
        writer.write(row(prompt_id="p2", error="the worker died"))
    return directory


def samples(run: Path) -> Path:
    return run / "samples.jsonl"


def test_rows_come_back_as_they_were_written(run: Path) -> None:
    found = read_run(run)
    assert found.rows == (
        row(answer="Über\n“x”", decode_tokens=10, decode_s=0.5),
        row(prompt_id="p2", error="the worker died"),
    )
    assert found.rows[0].decode_tok_per_s == 20
    assert found.rows[1].decode_tok_per_s is None
    assert (found.id, found.finished, found.models) == ("r", False, {"m": {"label": "M"}})


def test_a_key_tells_samples_apart_and_ignores_what_was_measured() -> None:
    assert row(answer="a").key == row(answer="b", pid=7).key
    others = [
        row(model_sha256="cd"),
        row(suite="x"),
        row(prompt_id="x"),
        row(condition="warm"),
        row(repetition=1),
        row(seed=2),
    ]
    assert len({row().key, *(each.key for each in others)}) == 7


def test_a_torn_last_line_is_dropped_and_cut_off_before_the_next_row(run: Path) -> None:
    with samples(run).open("ab") as file:
        file.write(b'{"model": "m", "mod')
    assert len(read_run(run).rows) == 2
    with RunWriter(run) as writer:
        writer.write(row(prompt_id="p3"))
    assert [each.prompt_id for each in read_run(run).rows] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("{nonsense}", "not JSON"),
        ("3", "a JSON int"),
        ('{"model": "m", "schema_version": "1.0"}', "missing model_sha256"),
        (json.dumps({**dataclasses.asdict(row()), "decode_s": "fast"}), "decode_s is 'fast'; expected a number"),
        (json.dumps({**dataclasses.asdict(row()), "seed": 1.5}), "seed is 1.5"),
        (json.dumps({**dataclasses.asdict(row()), "schema_version": "2.0"}), "newer than 1.4; update Tradeoff"),
        (json.dumps({**dataclasses.asdict(row()), "schema_version": None}), "schema_version is None"),
    ],
)
def test_a_malformed_line_in_the_middle_is_named_by_file_and_number(run: Path, line: str, wanted: str) -> None:
    lines = samples(run).read_text().splitlines()
    samples(run).write_text("\n".join([lines[0], line, lines[1]]) + "\n")
    with pytest.raises(RunError) as caught:
        read_run(run)
    assert str(caught.value).startswith(f"{samples(run)}, line 2: ")
    assert wanted in str(caught.value)
    assert "\n" not in str(caught.value)


def test_keys_of_a_newer_minor_version_are_ignored(run: Path) -> None:
    newer = {**dataclasses.asdict(row(prompt_id="p3")), "schema_version": "1.7", "joules": 3}
    with samples(run).open("a") as file:
        file.write(json.dumps(newer) + "\n")
    write_manifest(run, {**MANIFEST, "schema_version": "1.7"})
    assert read_run(run).rows[-1].prompt_id == "p3"


def test_a_newer_major_version_is_refused_in_one_line(run: Path) -> None:
    write_manifest(run, {**MANIFEST, "schema_version": "2.0"})
    with pytest.raises(RunError, match=r"run\.json: schema version 2\.0 is newer than 1\.4; update Tradeoff"):
        read_run(run)


def test_nan_is_written_as_null_and_read_as_none(run: Path) -> None:
    with RunWriter(run) as writer:
        writer.write(row(prompt_id="p3", decode_s=math.nan, ttft_s=math.inf))
    assert "NaN" not in samples(run).read_text() and "Infinity" not in samples(run).read_text()
    with samples(run).open("a") as file:
        file.write(json.dumps({**dataclasses.asdict(row(prompt_id="p4")), "decode_s": math.nan}) + "\n")
    last_two = read_run(run).rows[-2:]
    assert [each.decode_s for each in last_two] == [None, None]
    assert last_two[0].ttft_s is None


def test_the_manifest_is_replaced_in_one_step_and_leaves_nothing_behind(run: Path) -> None:
    write_manifest(run, {**MANIFEST, "finished_at": "2026", "ratio": math.nan})
    assert read_manifest(run)["finished_at"] == "2026"
    assert read_manifest(run)["ratio"] is None
    assert sorted(path.name for path in run.iterdir()) == ["run.json", "samples.jsonl"]


@pytest.mark.parametrize(
    ("text", "wanted"), [("{", "not JSON"), ("[]", "a JSON list"), ("{}", "schema_version is None")]
)
def test_a_broken_manifest_is_one_line(run: Path, text: str, wanted: str) -> None:
    (run / "run.json").write_text(text)
    with pytest.raises(RunError, match=wanted):
        read_run(run)


def test_a_directory_without_a_run_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is this a run's directory"):
        read_run(tmp_path)


def test_a_run_that_has_not_made_a_sample_has_no_rows(tmp_path: Path) -> None:
    write_manifest(tmp_path / "r", MANIFEST)
    assert read_run(tmp_path / "r").rows == ()


def test_two_processes_do_not_write_to_one_run(run: Path) -> None:
    with RunWriter(run), pytest.raises(RunError, match="another process is writing"):
        RunWriter(run)


def test_a_full_disk_is_one_line_and_keeps_what_was_written(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with RunWriter(run) as writer:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(RunError, match=r"No space left on device.*--resume"):
            writer.write(row(prompt_id="p3"))
        with pytest.raises(RunError, match="No space left on device"):
            write_manifest(run, MANIFEST)
    assert len(read_run(run).rows) >= 2
    assert sorted(path.name for path in run.iterdir()) == ["run.json", "samples.jsonl"]


def test_a_really_full_device_is_one_line() -> None:
    with pytest.raises(RunError, match="cannot be written"):
        RunWriter(Path("/proc/no-such-place"))


def test_runs_are_found_below_and_at_the_given_places(tmp_path: Path) -> None:
    for name in ("a/2", "a/1", "b"):
        write_manifest(tmp_path / name, MANIFEST)
    (tmp_path / "a" / "other").mkdir()
    found = find_runs([tmp_path / "a", tmp_path / "b", tmp_path / "missing"])
    assert [path.name for path in found] == ["1", "2", "b"]
