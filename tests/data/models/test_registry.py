from pathlib import Path

import pytest

from data.hub.address import HubSource
from data.models.entries import DerivedSource, FileSource, PyPISource, RegistryError
from data.models.registry import get, load_registry, project_registry, read_registry, registry_toml

ENTRY = """
[[model]]
id = "one"
label = "One"
base = "Base"
size = "1B"
quantization = "q4_k_m"
licence = "MIT"
"""
HF = 'source = { kind = "hf", repo = "a/b", file = "c.gguf" }\n'


def derived(model_id: str, base: str, quantization: str = "q8_0", more: str = "") -> str:
    source = f'source = {{ kind = "derived", base = "{base}", quantization = "{quantization}" }}\n'
    return ENTRY.replace('"one"', f'"{model_id}"').replace('quantization = "q4_k_m"\n', more) + source


def changed(how: str, entry: str = ENTRY, base: str = "one") -> str:
    """An entry "two" derived from `base`, below the Hub's "one"."""
    two = entry.replace('"one"', '"two"') + f'source = {{ kind = "derived", base = "{base}", {how} }}\n'
    return ENTRY + HF + two


UNSTATED = ENTRY.replace('quantization = "q4_k_m"\n', "")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "models.toml"
    path.write_text(text)
    return path


def test_the_shipped_registry_loads_with_its_first_entries() -> None:
    registry = load_registry()
    assert {"smollm2-135m", "smollm2-135m-q8_0", "smollm2-135m-q4_k_m"} <= set(registry)
    assert isinstance(registry["smollm2-135m"].source, PyPISource)
    assert registry["smollm2-135m-q8_0"].source == DerivedSource(base="smollm2-135m", quantization="q8_0")
    llama = registry["llama-3.2-1b-instruct"]
    assert (llama.size, llama.rank, llama.sha256, llama.source_kind) == ("1B", None, None, "hf")


def test_shipped_derived_and_packaged_models_are_pinned_and_labels_differ() -> None:
    registry = load_registry()
    assert all(entry.sha256 for entry in registry.values() if entry.source_kind in ("pypi", "derived"))
    assert len({entry.label for entry in registry.values()}) == len(registry)


def test_an_entry_has_all_of_its_fields(tmp_path: Path) -> None:
    text = ENTRY + f'rank = 8\nalpha = 16\nsha256 = "{"a" * 64}"\nfile_size_bytes = 5\nnote = "n"\n' + HF
    entry = read_registry(write(tmp_path, text))["one"]
    assert (entry.id, entry.rank, entry.alpha, entry.note) == ("one", 8, 16, "n")
    assert entry.file_size_bytes == 5
    assert entry.source == HubSource(repo="a/b", file="c.gguf")


PARTS = {
    "package": '"p{part}"',
    "version": '"1.0"',
    "member": '"p/{part:02}.bin"',
    "parts": "22",
}
PINNED = f'sha256 = "{"a" * 64}"\nfile_size_bytes = 5\n'


def several(*, pinned: str = PINNED, hub_file: str = "c.gguf", **changed: str) -> str:
    """An entry with a Hub source and a mirror of 22 packages."""
    packages = "\n".join(f"{key} = {value}" for key, value in (PARTS | changed).items())
    return (
        f'{ENTRY}{pinned}[[model.sources]]\nkind = "hf"\nrepo = "a/b"\nfile = "{hub_file}"\n'
        f'[[model.sources]]\nkind = "pypi"\n{packages}\n'
    )


def test_several_sources_stand_in_their_order_and_are_written_back(tmp_path: Path) -> None:
    registry = read_registry(write(tmp_path, several()))
    entry = registry["one"]
    hub, packages = entry.sources
    assert hub == entry.source == HubSource(repo="a/b", file="c.gguf") and entry.source_kind == "hf"
    assert isinstance(packages, PyPISource) and len(packages.wheels) == 22
    assert packages.wheels[8] == PyPISource(package="p9", version="1.0", member="p/09.bin")
    assert read_registry(write(tmp_path, registry_toml(registry.values()))) == registry


def test_the_shipped_mirrors_name_their_parts_and_stand_last() -> None:
    half, large = (entry for entry in project_registry().values() if entry.mirrors)
    assert [entry.id for entry in (half, large)] == ["qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"]
    for entry, parts in ((half, 6), (large, 22)):
        hub, mirror = entry.sources
        assert isinstance(hub, HubSource) and len(hub.revision or "") == 40
        assert isinstance(mirror, PyPISource) and len(mirror.wheels) == parts
        assert "may vanish" in (entry.note or "") and "sha256 alone" in (entry.note or "")


def test_the_name_of_a_packaged_model_in_the_lock_file_stays() -> None:
    source = PyPISource(package="p", version="1", member="m")
    assert repr(source) == "PyPISource(package='p', version='1', member='m')"


def test_a_relative_path_starts_at_the_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    text = ENTRY + 'source = { kind = "file", path = "sub/m.gguf" }\n'
    assert read_registry(write(tmp_path, text))["one"].source == FileSource(path=tmp_path / "sub/m.gguf")


def test_a_home_path_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    text = ENTRY + 'source = { kind = "file", path = "~/m.gguf" }\n'
    assert read_registry(write(tmp_path, text))["one"].source == FileSource(path=Path("/home/ada/m.gguf"))


def test_a_derived_entry_takes_its_quantization_from_its_source(tmp_path: Path) -> None:
    registry = read_registry(write(tmp_path, ENTRY + HF + derived("two", "one")))
    assert registry["two"].quantization == "q8_0"


def test_layers_adapter_and_quantization_can_be_changed_together(tmp_path: Path) -> None:
    how = f'drop_layers = [17, 4], adapter = "sub/a.gguf", adapter_sha256 = "{"b" * 64}", quantization = "q4_1"'
    entry = read_registry(write(tmp_path, changed(how, UNSTATED)))["two"]
    assert entry.quantization == "q4_1"
    assert entry.source == DerivedSource(
        base="one",
        quantization="q4_1",
        adapter=tmp_path / "sub/a.gguf",
        adapter_sha256="b" * 64,
        drop_layers=(4, 17),
    )


def test_an_adapter_without_a_quantization_makes_an_f16_file(tmp_path: Path) -> None:
    assert read_registry(write(tmp_path, changed('adapter = "a.gguf"', UNSTATED)))["two"].quantization == "f16"


def test_dropping_layers_keeps_the_bases_quantization(tmp_path: Path) -> None:
    assert read_registry(write(tmp_path, changed("drop_layers = [0]")))["two"].quantization == "q4_k_m"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("layers = [1]"), "known keys: base, quantization, adapter, adapter_sha256, drop_layers"),
        (
            ENTRY + 'source = { kind = "derived", base = "one" }\n',
            "[one] source: nothing changes; give at least one of",
        ),
        (changed("drop_layers = []"), "[two] source: drop_layers is []; it must be a list of layer numbers, from 0"),
        (changed("drop_layers = 4"), "drop_layers is 4; it must be a list"),
        (changed("drop_layers = [-1]"), "drop_layers is [-1]; it must be a list"),
        (changed("drop_layers = [true]"), "drop_layers is [True]; it must be a list"),
        (changed('drop_layers = ["4"]'), "drop_layers is ['4']; it must be a list"),
        (changed("drop_layers = [4, 5, 4]"), "drop_layers has 4 twice"),
        (changed("drop_layers = [4]", UNSTATED), "[two]: 'quantization' is missing"),
        (
            changed("drop_layers = [4]", ENTRY.replace("q4_k_m", "q8_0")),
            "[two]: quantization 'q8_0', but its source only drops layers, which keeps the 'q4_k_m' of 'one'",
        ),
        (changed('adapter = ""'), "adapter is ''; it must be a text"),
        (changed('adapter = "a.gguf"'), "'q4_k_m' differs from its source's, which is 'f16': an adapter is merged"),
        (changed(f'quantization = "f16", adapter_sha256 = "{"b" * 64}"'), "adapter_sha256 stands without an adapter"),
        (changed('adapter = "a.gguf", adapter_sha256 = "B"'), "adapter_sha256 is 'B'; it must be 64"),
        (
            changed('adapter = "a.gguf"', UNSTATED + f'sha256 = "{"a" * 64}"\n'),
            "[two]: sha256 pins the result; pin the adapter too, by adapter_sha256 in its source",
        ),
        (ENTRY + "alpha = 0\n" + HF, "alpha is 0; it must be positive"),
        (ENTRY + "lable = 1\n" + HF, "[one]: unknown key 'lable'; known keys: label, base,"),
        (ENTRY + "lable = 1\n" + HF, "did you mean 'label'?"),
        (ENTRY + HF.replace("repo", "repos"), "[one] source: unknown key 'repos'; known keys: repo, file, revision"),
        (ENTRY + HF.replace('"hf"', '"hub"'), "unknown kind 'hub'; known kinds: hf, pypi, file, adapted, derived"),
        (ENTRY + HF.replace('"hf"', "7"), "unknown kind 7"),
        (ENTRY, "[one] source: missing"),
        (ENTRY + 'source = "hf"\n', "[one] source: missing"),
        (ENTRY + 'source = { kind = "hf", repo = "a/b" }\n', "[one] source: 'file' is missing"),
        (ENTRY.replace('size = "1B"\n', "") + HF, "[one]: 'size' is missing; required: label, base, size,"),
        (ENTRY.replace('"1B"', "1") + HF, "size is 1; it must be a text"),
        (ENTRY + "rank = 0\n" + HF, "rank is 0; it must be positive"),
        (ENTRY + "rank = true\n" + HF, "rank is True; it must be a whole number"),
        (ENTRY + 'sha256 = "ABC"\n' + HF, "sha256 is 'ABC'; it must be 64"),
        (ENTRY.replace('"one"', '"../one"') + HF, "an id has only the characters"),
        (ENTRY.replace('"one"', '"One"') + HF, "an id has only the characters"),
        (ENTRY.replace('id = "one"\n', "") + HF, "model 1 has no id"),
        (2 * (ENTRY + HF), "[one] is there twice"),
        (derived("two", "oen") + ENTRY + HF, "[two] source: derived from unknown model 'oen'; did you mean 'one'?"),
        (derived("a", "b") + derived("b", "a"), "derived from itself: a -> b -> a"),
        (derived("a", "a"), "derived from itself: a -> a"),
        (ENTRY + HF + derived("b", "one", "q4_k"), "unknown quantization 'q4_k'; known: f16,"),
        (ENTRY + HF + derived("b", "one", more='quantization = "f16"\n'), "'f16' differs from its source's"),
        (several(package='"-rx"'), "[one] source 2: package is '-rx'; it must be the name of a package"),
        (several(version='"*"'), "[one] source 2: version is '*'; it must be one version"),
        (several(member='"/p{part}"'), "member is '/p1'; it must be the path of a file inside the wheel"),
        (several(parts="1000"), "parts is 1000; it must be at most 999"),
        (several(parts="0"), "parts is 0; it must be positive"),
        (several(parts='"2"'), "parts is '2'; it must be a whole number"),
        (several(package='"p"', member='"m"'), "name the same for all 22 parts; write {part} where the number stands"),
        (several(pinned=""), "[one]: sha256 is missing; a model in parts, or with several sources, has it"),
        (several(pinned=PINNED.replace("file_size_bytes = 5\n", "")), "[one]: file_size_bytes is missing; a model in"),
        (several(hub_file="c-00001-of-00002.gguf"), "of kind hf or pypi, and no part of a split model"),
        (several() + '[[model.sources]]\nkind = "file"\npath = "a.gguf"\n', "one of several sources is of kind hf"),
        (several().replace(PINNED, PINNED + HF), "write one [model.source], or several [[model.sources]]"),
        (ENTRY + "sources = []\n", "write one [model.source], or several [[model.sources]]"),
        (ENTRY + "mirrors = []\n" + HF, "[one]: unknown key 'mirrors'"),
        ("[smollm]\nlabel = 1\n", "unknown key 'smollm'; known: model"),
        ("model = 3\n", "each under [[model]]"),
        ("[[model]\n", "not TOML"),
    ],
)
def test_a_wrong_registry_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        read_registry(write(tmp_path, text))
    assert message in str(caught.value)
    assert "models.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_registry_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="cannot be read"):
        read_registry(tmp_path / "none.toml")


def test_an_unknown_id_lists_close_and_known_ones() -> None:
    with pytest.raises(RegistryError, match=r"'smollm2-135'; did you mean 'smollm2-135m'.*known models: smollm2-135m"):
        get(load_registry(), "smollm2-135")
    with pytest.raises(RegistryError, match=r"did you mean 'llama-3\.2-1b-instruct'"):
        get(load_registry(), "llama")


def test_a_registry_without_a_model_is_refused_where_the_app_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "# nothing yet\n")
    assert read_registry(path) == {}
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(path))
    with pytest.raises(RegistryError, match="no model in it; write one"):
        project_registry()
