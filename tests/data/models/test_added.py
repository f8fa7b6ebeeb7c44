import os
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.config import Config
from benchmarks.measure.models import find_models
from data.errors import ModelError
from data.files import sha256_of
from data.gguf.header import read_header
from data.hub.address import HubSource
from data.models import added as added_module
from data.models.__main__ import main as models_command
from data.models.added import completed, edited, file_entry, has_guesses, hub_entry, save_added
from data.models.entries import FileSource, ModelEntry, RegistryError
from data.models.fetch import locate
from data.models.registry import load_registry, project_registry, read_registry, registry_toml
from tests.gguf_bytes import LLAMA, gguf_bytes, model_bytes

GONE = FileSource(path=Path("/no/such.gguf"))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file here was written a moment ago."""
    monkeypatch.setattr(added_module, "_LOOK_S", 0.0)


def gguf(folder: Path, name: str = "My Model-Q4_K_M.gguf") -> Path:
    path = folder / name
    path.write_bytes(model_bytes())
    return path


def test_added_models_are_read_back_as_they_were(tmp_path: Path) -> None:
    local = file_entry(str(gguf(tmp_path, 'odd "name" é \U0001f600 \x7f.gguf')), {})
    remote = hub_entry("https://huggingface.co/me/tiny/", "sub/tiny-Q8_0.gguf", {local.id: local})
    save_added([local, remote])
    assert load_registry() == project_registry() | {local.id: local, remote.id: remote}
    assert remote.source == HubSource(repo="me/tiny", file="sub/tiny-Q8_0.gguf")
    assert (remote.id, remote.quantization) == ("tiny-q8_0", "q8_0 (by its name)")


def test_a_file_says_what_its_metadata_say_and_stays_where_it_is(tmp_path: Path) -> None:
    entry = file_entry(str(gguf(tmp_path)), {})
    assert (entry.id, entry.label, entry.base) == ("my-model-q4_k_m", "Tiny", "Tiny")
    assert entry.quantization == "q4_k_m (by its name)"  # which is all that there is
    assert isinstance(entry.source, FileSource) and entry.file_size_bytes == entry.source.path.stat().st_size


def test_the_metadata_go_before_the_files_name(tmp_path: Path) -> None:
    said = {"general.size_label": "0.5B", "general.file_type": 15, "general.license": "mit", "general.name": "My Model"}
    path = tmp_path / "something-Q8_0.GGUF"
    path.write_bytes(gguf_bytes({**LLAMA, **said}, {"w": ((4,), 0, 0)}, data=b"\0" * 16))
    entry = file_entry(str(path), {})
    assert (entry.id, entry.label) == ("something-q8_0", "My Model · Q4_K_M")
    assert (entry.size, entry.quantization, entry.licence) == ("0.5B", "q4_k_m", "mit")
    other = tmp_path / "other.gguf"
    other.write_bytes(path.read_bytes() + b"\0")
    assert file_entry(str(other), {entry.id: entry}).label == "My Model · Q4_K_M (other)"


def test_what_was_guessed_of_a_hubs_file_is_replaced_by_what_it_says(tmp_path: Path) -> None:
    said = {"general.size_label": "0.5B", "general.file_type": 15, "general.license": "mit"}
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf_bytes({**LLAMA, **said}, {"w": ((4,), 0, 0)}, data=b"\0" * 16))
    guessed = hub_entry("me/tiny", "Tiny-UD-Q4_K_XL.GGUF", {})
    assert (guessed.id, guessed.quantization) == ("tiny-ud-q4_k_xl", "q4_k_xl (by its name)")
    known = completed(guessed, read_header(path))
    assert (known.size, known.quantization, known.licence) == ("0.5B", "q4_k_m", "mit")
    shipped = project_registry()["smollm2-135m"]
    assert has_guesses(guessed) and not has_guesses(known) and completed(shipped, read_header(path)) == shipped


def test_the_same_file_is_not_added_twice(tmp_path: Path, cache: Path) -> None:
    path = gguf(tmp_path)
    first = file_entry(str(path), {})
    known = {first.id: first}
    (tmp_path / "link.gguf").symlink_to(path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "hard.gguf").hardlink_to(path)
    for again in (path, tmp_path / "link.gguf", tmp_path / "hard.gguf", tmp_path / "folder" / ".." / path.name):
        with pytest.raises(ModelError, match=r"is on the list already, as Tiny \(my-model-q4_k_m\)$"):
            file_entry(str(again), known)
    copy, other = tmp_path / "copy.gguf", tmp_path / "other.gguf"
    copy.write_bytes(path.read_bytes())
    other.write_bytes(path.read_bytes()[:-1] + b"!")  # as large, of other bytes
    for entry in (first, replace(first, sha256=sha256_of(copy)), replace(first, sha256=sha256_of(copy), source=GONE)):
        with pytest.raises(ModelError, match=r"copy\.gguf is on the list already, as Tiny"):
            file_entry(str(copy), {first.id: entry})
        assert file_entry(str(other), {first.id: entry}).id == "other"
    with pytest.raises(ModelError, match="is on the list already"):
        hub_entry("me/tiny", "b.gguf", known, sha256=sha256_of(path))
    remote = hub_entry("me/tiny", "a.gguf", {})
    with pytest.raises(ModelError, match=r"a\.gguf is on the list already, as a \(a\)"):
        hub_entry("https://huggingface.co/me/tiny", "a.gguf", {remote.id: remote})


def test_a_file_that_is_being_written_is_not_added(tmp_path: Path) -> None:
    path = gguf(tmp_path)

    def write_on() -> None:
        with path.open("ab") as file:
            file.write(b"more!")

    with pytest.raises(ModelError, match=r"is being written \(it grew by 5 bytes while it was looked at\)"):
        file_entry(str(path), {}, pause=write_on)
    old = path.stat().st_mtime - 3600
    os.utime(path, (old, old))
    assert file_entry(str(path), {}, pause=write_on).id == "my-model-q4_k_m"  # nobody waits for an old file


def test_name_and_licence_of_an_added_model_can_be_changed_but_not_into_anothers(tmp_path: Path) -> None:
    entry = file_entry(str(gguf(tmp_path)), {})
    known = {entry.id: entry, "other": replace(entry, id="other", label="Other")}
    changed = edited(entry, "  Mine \n 1B ", "", known)
    assert (changed.label, changed.licence, changed.id) == ("Mine 1B", "not stated", entry.id)
    assert edited(entry, entry.label, "MIT", known).licence == "MIT"
    for label, why in ((" ", "needs a name"), ("Other", "is the name of another model, other"), ("x" * 81, "has 81")):
        with pytest.raises(ModelError, match=why):
            edited(entry, label, "MIT", known)


def test_a_path_that_is_no_file_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    half = gguf(tmp_path, "half.gguf")
    half.write_bytes(half.read_bytes()[:-100])
    for path, why in (
        (tmp_path, "which is a folder; write the path of a GGUF in it"),
        (tmp_path / "circle.gguf", "Too many levels of symbolic links"),
        (tmp_path / "pipe.gguf", "no file at"),
        (half, "get it again, or wait until it is written"),
    ):
        with pytest.raises(ModelError) as caught:
            file_entry(str(path), {})
        assert why in str(caught.value) and "\n" not in str(caught.value)


def test_what_writes_no_text_is_not_added(tmp_path: Path) -> None:
    path = tmp_path / "bert.gguf"
    path.write_bytes(gguf_bytes({**LLAMA, "general.architecture": "bert"}, {"w": ((4,), 0, 0)}, data=b"\0" * 16))
    with pytest.raises(ModelError, match=r"^bert\.gguf: the file reads text and writes none"):
        file_entry(str(path), {})


def test_an_id_that_the_project_has_taken_meanwhile_is_the_projects(tmp_path: Path) -> None:
    shipped = project_registry()["smollm2-135m"]
    save_added([replace(file_entry(str(gguf(tmp_path)), {}), id=shipped.id)])
    assert load_registry()[shipped.id] == shipped


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
    save_added([entry])
    with pytest.raises(ModelError, match="cannot hold this entry"):
        save_added([replace(entry, base="\ud800")])
    assert load_registry()[entry.id] == entry


def test_a_broken_file_of_added_models_is_named(state: Path) -> None:
    state.mkdir()
    (state / "models.toml").write_text("[[model]]\n")
    with pytest.raises(RegistryError, match=r"models\.toml"):
        load_registry()


def test_every_kind_of_source_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    registry = project_registry()
    path = tmp_path / "written.toml"
    path.write_text(registry_toml(registry.values()))
    assert read_registry(path) == registry


@pytest.fixture
def added(tmp_path: Path) -> ModelEntry:
    """A model that somebody has added on the Models page."""
    entry = file_entry(str(gguf(tmp_path)), {})
    save_added([entry])
    return entry


def test_an_added_model_is_known_to_the_registrys_command(
    added: ModelEntry, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert models_command(["path", added.id]) == 0
    assert capsys.readouterr().out == f"{added.source.path}\n"  # type: ignore[union-attr]
    assert models_command(["list"]) == 0
    assert added.id in capsys.readouterr().out


def test_an_added_model_can_be_named_to_a_run(added: ModelEntry, cache: Path) -> None:
    (subject,) = find_models(Config(name="own", models=(added.id,), suites=("core",)), lambda line: None)
    assert isinstance(added.source, FileSource)
    assert (subject.path, subject.error, subject.facts["label"]) == (added.source.path, None, added.label)


def test_an_added_model_can_be_named_to_a_speed_measurement(added: ModelEntry, cache: Path) -> None:
    assert isinstance(added.source, FileSource) and locate(added.id) == added.source.path


def test_another_registry_holds_for_every_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other.toml"
    other.write_text(registry_toml([replace(file_entry(str(gguf(tmp_path)), {}), id="other")]))
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(other))
    assert list(load_registry()) == ["other"] and locate("other").name.startswith("My Model")
    with pytest.raises(RegistryError, match="known models: other"):
        locate("smollm2-135m")
