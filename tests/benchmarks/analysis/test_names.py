from dataclasses import replace
from pathlib import Path

from benchmarks.analysis.names import renamed
from data.models.entries import FileSource, ModelEntry
from tests.benchmarks.made_runs import graded_rows, made_run

ENTRY = ModelEntry(
    id="other",
    label="Model A · Q8_0",
    base="b",
    size="1M",
    quantization="q8_0",
    licence="MIT",
    source=FileSource(path=Path("/a.gguf")),
    sha256="sha-a",
)


def test_a_file_has_todays_name_whatever_it_was_called_and_its_second_arm_says_so() -> None:
    run = made_run(graded_rows("a", "10"), graded_rows("a@again", "10"), facts={"a@again": {"sha256": "sha-a"}})
    (found,) = renamed([run], {"other": ENTRY})
    assert [found.label("a"), found.label("a@again")] == ["Model A · Q8_0", "Model A · Q8_0 again"]
    assert run.label("a") == "A"


def test_an_entry_without_a_digest_is_found_by_its_id_and_other_files_keep_their_names() -> None:
    run = made_run(graded_rows("a", "10"), graded_rows("b", "10"))
    (found,) = renamed([run], {"b": replace(ENTRY, id="b", label="Mine", sha256=None)})
    assert [found.label("a"), found.label("b")] == ["A", "Mine"]
