"""Adapters that stay files of their own, from the registry's words to what a reader of the file is told."""

import dataclasses
from pathlib import Path

import pytest

from data.errors import ModelError
from data.files import model_sha256
from data.gguf.facts import facts_of, why_no_text
from data.gguf.header import GGUFError, read_header
from data.gguf.lora import write_adapter
from data.gguf.split import read_model
from data.models.entries import AdaptedSource, FileSource, ModelEntry, deployed_bytes
from data.models.fetch import fetch, local_path, remove
from data.models.registry import RegistryError, read_registry
from tests.data.gguf_models import adapter_pairs, write_model
from tests.data.registries import entry

Family = dict[str, ModelEntry]


@pytest.fixture
def family(cache: Path, tmp_path: Path) -> Family:
    write_adapter(tmp_path / "adapter.gguf", adapter_pairs(), alpha=8, name="tiny", base="Tiny", architecture="llama")
    base = entry(FileSource(path=write_model(tmp_path / "base.gguf")), "base")
    return {"base": base, "tiny": entry(AdaptedSource(base="base", adapter=tmp_path / "adapter.gguf"))}


def changed(family: Family, **source: object) -> Family:
    new = dataclasses.replace(family["tiny"].source, **source)  # type: ignore[arg-type, type-var]
    return {**family, "other": entry(new, "other")}  # type: ignore[arg-type]


def test_the_file_is_as_small_as_the_adapter_and_is_read_as_the_model_that_both_make(family: Family) -> None:
    path = fetch(family["tiny"], family)
    base = family["base"].source.path  # type: ignore[union-attr]
    header = read_model(path)
    assert path.stat().st_size < base.stat().st_size + 200
    assert header.weights == base and header.tensors == read_header(base).tensors
    assert facts_of(header).quantization == facts_of(read_header(base)).quantization
    assert why_no_text(header) is None
    assert header.file_size == path.stat().st_size + base.stat().st_size
    assert local_path(family["tiny"], family) == path


def test_its_sha256_stands_for_base_adapter_and_scale(family: Family, tmp_path: Path) -> None:
    write_adapter(
        tmp_path / "second.gguf", adapter_pairs(seed=2), alpha=8, name="tiny", base="Tiny", architecture="llama"
    )
    write_model(tmp_path / "base2.gguf", seed=5)
    another_base = {**family, "base": entry(FileSource(path=tmp_path / "base2.gguf"), "base")}
    digests = [model_sha256(fetch(family["tiny"], family))]
    for number, model in enumerate((changed(family, scale=0.5), changed(family, adapter=tmp_path / "second.gguf"))):
        model["other"] = dataclasses.replace(model["other"], id=f"other{number}")
        digests.append(model_sha256(fetch(model["other"], model)))
    remove(family["tiny"])
    digests.append(model_sha256(fetch(another_base["tiny"], another_base)))
    assert len(set(digests)) == 4
    remove(family["tiny"])
    assert model_sha256(fetch(family["tiny"], family)) == digests[0]


def test_where_the_base_went_the_model_is_not_here_and_says_why(family: Family) -> None:
    path = fetch(family["tiny"], family)
    family["base"].source.path.unlink()  # type: ignore[union-attr]
    assert local_path(family["tiny"], family) is None
    with pytest.raises(
        GGUFError, match=r"an adapter of Tiny, whose own file \(sha256 [0-9a-f]{12}…\) is not here any mo"
    ):
        read_model(path)


def test_a_base_that_moved_is_found_again_by_the_next_fetch(family: Family, tmp_path: Path) -> None:
    path = fetch(family["tiny"], family)
    moved = family["base"].source.path.rename(tmp_path / "moved.gguf")  # type: ignore[union-attr]
    there = {**family, "base": entry(FileSource(path=moved), "base")}
    assert fetch(there["tiny"], there) == path
    assert read_model(path).weights == moved


def test_an_adapter_of_another_model_is_refused(family: Family, tmp_path: Path) -> None:
    write_adapter(
        tmp_path / "wide.gguf", adapter_pairs(layers=4), alpha=8, name="tiny", base="Tiny", architecture="llama"
    )
    other = changed(family, adapter=tmp_path / "wide.gguf")
    with pytest.raises(ModelError, match="the adapter is of another model"):
        fetch(other["other"], other)


def registry_error(tmp_path: Path, source: str, quantization: str = "f16", more: str = "") -> str:
    path = tmp_path / "models.toml"
    head = 'label = "x"\nbase = "x"\nsize = "1M"\nlicence = "MIT"\n'
    path.write_text(
        f'[[model]]\nid = "base"\nquantization = "f16"\n{head}[model.source]\nkind = "file"\npath = "b.gguf"\n'
        f'[[model]]\nid = "tiny"\nquantization = "{quantization}"\n{head}[model.source]\nkind = "adapted"\n{source}\n'
        + more
    )
    with pytest.raises(RegistryError) as caught:
        read_registry(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "quantization", "expected"),
    [
        ('base = "base"', "f16", "of kind adapted, which has base, adapter, adapter_sha256 and scale alone"),
        ('base = "base"\nadapter = "a.gguf"\nquantization = "q8_0"', "f16", "of kind adapted, which has base"),
        ('base = "base"\nadapter = "a.gguf"', "q8_0", "applies an adapter, which keeps the 'f16' of 'base'"),
        ('base = "base"\nadapter = "a.gguf"\nscale = 0', "f16", "scale is 0; it must be positive"),
        ('base = "base"\nadapter = "a.gguf"\nscale = "much"', "f16", "scale is 'much'; it must be a number"),
    ],
)
def test_what_the_registry_says_wrongly_is_one_line(
    source: str, quantization: str, expected: str, tmp_path: Path
) -> None:
    assert expected in registry_error(tmp_path, source, quantization)


def test_nothing_is_derived_of_an_adapter_on_its_base(tmp_path: Path) -> None:
    more = (
        '[[model]]\nid = "third"\nlabel = "x"\nbase = "x"\nsize = "1M"\nlicence = "MIT"\n[model.source]\n'
        'kind = "derived"\nbase = "tiny"\nquantization = "q8_0"\n'
    )
    assert "is an adapter on its base" in registry_error(tmp_path, 'base = "base"\nadapter = "a.gguf"', more=more)


def test_what_is_needed_on_the_disk_to_run_it_is_adapter_and_base(family: Family) -> None:
    sized = {
        id_: dataclasses.replace(each, file_size_bytes=size) for (id_, each), size in zip(family.items(), (500, 9))
    }
    assert [deployed_bytes(each, sized) for each in sized.values()] == [500, 509]
    assert deployed_bytes(sized["tiny"], {**sized, "base": family["base"]}) is None
