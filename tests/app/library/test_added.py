from dataclasses import replace
from pathlib import Path

import pytest

from app.library.added import FILE_NAME, file_entry, hub_entry, load_added, save_added
from data.errors import ModelError
from data.models.registry import FileSource, HubSource, RegistryError
from tests.gguf_bytes import model_bytes


def gguf(folder: Path, name: str = "My Model-Q4_K_M.gguf") -> Path:
    path = folder / name
    path.write_bytes(model_bytes())
    return path


def test_added_models_are_read_back_as_they_were(tmp_path: Path) -> None:
    local = file_entry(str(gguf(tmp_path, 'odd "name" é \U0001f600 \x7f.gguf')), {})
    remote = hub_entry("https://huggingface.co/me/tiny/", "sub/tiny-Q8_0.gguf", {local.id: local})
    save_added(tmp_path, {each.id: each for each in (local, remote)})
    assert load_added(tmp_path, {}) == {local.id: local, remote.id: remote}
    assert remote.source == HubSource(repo="me/tiny", file="sub/tiny-Q8_0.gguf")
    assert (remote.id, remote.quantization) == ("tiny-q8_0", "q8_0")


def test_a_file_says_what_its_metadata_say_and_stays_where_it_is(tmp_path: Path) -> None:
    entry = file_entry(str(gguf(tmp_path)), {})
    assert (entry.id, entry.base, entry.quantization) == ("my-model-q4_k_m", "Tiny", "q4_k_m")
    assert isinstance(entry.source, FileSource) and entry.file_size_bytes == entry.source.path.stat().st_size
    assert file_entry(str(entry.source.path), {entry.id: entry}).id == "my-model-q4_k_m-2"


def test_an_id_that_the_project_has_taken_meanwhile_gives_way(tmp_path: Path) -> None:
    entry = file_entry(str(gguf(tmp_path)), {})
    save_added(tmp_path, {entry.id: entry})
    assert load_added(tmp_path, {entry.id: entry}) == {}


@pytest.mark.parametrize(
    ("repo", "file"), [("nothing", "a.gguf"), ("a/b/c", "a.gguf"), ("a/b", "a.bin"), ("a/b", "../a.gguf"), ("", "")]
)
def test_what_is_no_file_of_a_repository_is_refused(repo: str, file: str) -> None:
    with pytest.raises(ModelError, match="is not a"):
        hub_entry(repo, file, {})


def test_a_path_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    for path in (
        "relative.gguf",
        str(tmp_path / "missing.gguf"),
        str(tmp_path),
        "",
        "~nosuchuser/x.gguf",
        "/" + "x" * 5000,
        "/a\0b",
    ):
        with pytest.raises(ModelError, match="no file at"):
            file_entry(path, {})
    with pytest.raises(ModelError, match="not a GGUF file"):
        file_entry(str(tmp_path / "text.gguf"), {})


def test_an_entry_that_cannot_be_written_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    entry = file_entry(str(gguf(tmp_path)), {})
    save_added(tmp_path, {entry.id: entry})
    with pytest.raises(ModelError, match="cannot hold this entry"):
        save_added(tmp_path, {entry.id: replace(entry, base="\ud800")})
    assert load_added(tmp_path, {}) == {entry.id: entry}


def test_a_broken_file_of_added_models_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("[[model]]\n")
    with pytest.raises(RegistryError, match=r"models\.toml"):
        load_added(tmp_path, {})
