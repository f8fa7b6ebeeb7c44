"""Derived models, from the registry's words to the file; quantizing alone is in test_sources.py."""

import errno
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from data.errors import ModelError
from data.gguf.header import read_header
from data.gguf.layers import drop_layers
from data.gguf.lora import merge_adapter, write_adapter
from data.models.entries import DerivedSource, FileSource, ModelEntry
from data.models.fetch import fetch, local_path, pin_state
from data.progress import FetchCancelled, Progress
from tests.data.gguf_models import adapter_pairs, write_model
from tests.data.registries import entry

Family = dict[str, ModelEntry]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """For the base without one of its three layers."""
    path = tmp_path / "adapter.gguf"
    write_adapter(path, adapter_pairs(layers=2, rank=4), alpha=8, name="tiny", base="Tiny", architecture="llama")
    return path


@pytest.fixture
def base(cache: Path, tmp_path: Path) -> ModelEntry:
    return entry(FileSource(path=write_model(tmp_path / "base.gguf")), "base")


def family(base: ModelEntry, **source: object) -> Family:
    derived = DerivedSource(base="base", **source)  # type: ignore[arg-type]
    return {"base": base, "tiny": entry(derived)}


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def copying_quantizer(seen: list[bytes], made: bytes | None = None) -> Callable[..., None]:
    def quantize(source: Path, target: Path, quantization: str, *, on_share: Callable[[float], None], **_: object):
        seen.append(source.read_bytes())
        on_share(1.0)
        target.write_bytes(made or source.read_bytes())

    return quantize


def test_layers_go_first_then_the_adapter_then_the_quantization(
    base: ModelEntry, adapter: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop_layers(tmp_path / "base.gguf", tmp_path / "dropped.gguf", [1])
    merge_adapter(tmp_path / "dropped.gguf", adapter, tmp_path / "merged.gguf")
    seen: list[bytes] = []
    monkeypatch.setattr("data.models.derive.quantize_in_child", copying_quantizer(seen))
    steps: list[Progress] = []
    models = family(base, drop_layers=(1,), adapter=adapter, quantization="q8_0")
    path = fetch(models["tiny"], models, progress=steps.append)
    assert seen == [(tmp_path / "merged.gguf").read_bytes()]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert list(dict.fromkeys(step.stage for step in steps)) == ["copy", "merge", "quantize", "verify"]
    assert all(step.model_id == "tiny" and step.done_bytes <= (step.total_bytes or 0) for step in steps)
    assert (pin_state(models["tiny"], models), local_path(models["tiny"], models)) == ("locked", path)


def test_an_adapter_alone_makes_an_f16_file(base: ModelEntry, adapter: Path, tmp_path: Path) -> None:
    write_adapter(adapter, adapter_pairs(layers=3), alpha=8, name="tiny", base="Tiny", architecture="llama")
    models = family(base, adapter=adapter)
    merge_adapter(tmp_path / "base.gguf", adapter, tmp_path / "merged.gguf")
    path = fetch(models["tiny"], models)
    assert path.read_bytes() == (tmp_path / "merged.gguf").read_bytes()
    assert read_header(path).metadata["general.file_type"] == 1


def test_layers_alone_are_dropped_without_requantizing(base: ModelEntry, tmp_path: Path) -> None:
    models = family(base, drop_layers=(0, 2))
    drop_layers(tmp_path / "base.gguf", tmp_path / "dropped.gguf", [0, 2])
    assert fetch(models["tiny"], models).read_bytes() == (tmp_path / "dropped.gguf").read_bytes()


def test_an_adapter_that_is_not_there_is_said_before_its_base_is_fetched(cache: Path, tmp_path: Path) -> None:
    models = family(entry(FileSource(path=tmp_path / "none.gguf"), "base"), adapter=tmp_path / "none-either.gguf")
    message = failure(lambda: fetch(models["tiny"], models))
    assert message == f"tiny: no adapter at {tmp_path / 'none-either.gguf'}; train it, or correct the registry"


def test_another_adapter_than_the_pinned_one_is_refused(base: ModelEntry, adapter: Path) -> None:
    got = hashlib.sha256(adapter.read_bytes()).hexdigest()
    models = family(base, adapter=adapter, adapter_sha256="0" * 64, drop_layers=(1,))
    message = failure(lambda: fetch(models["tiny"], models))
    assert f"another adapter at {adapter}: its sha256 is {got}, expected {'0' * 64}; restore it, or pin" in message
    models = family(base, adapter=adapter, adapter_sha256=got, drop_layers=(1,))
    assert fetch(models["tiny"], models).is_file()


def test_the_registry_must_not_say_another_rank_or_alpha_than_the_adapter(base: ModelEntry, adapter: Path) -> None:
    models = family(base, adapter=adapter, drop_layers=(1,))
    for key, value, has in (("rank", 16, 4), ("alpha", 32, 8)):
        wrong = replace(models["tiny"], **{key: value})  # type: ignore[arg-type]
        message = failure(lambda wrong=wrong: fetch(wrong, models))  # type: ignore[misc]
        assert message == f"tiny: the registry says {key} {value}, {adapter} has {has}"
    right = replace(models["tiny"], rank=4, alpha=8)
    assert fetch(right, models).is_file()


def test_a_retrained_adapter_makes_the_model_anew(base: ModelEntry, adapter: Path) -> None:
    models = family(base, adapter=adapter, drop_layers=(1,))
    first = fetch(models["tiny"], models)
    write_adapter(adapter, adapter_pairs(layers=2, seed=9), alpha=8, name="tiny", base="Tiny", architecture="llama")
    assert local_path(models["tiny"], models) is None
    assert pin_state(models["tiny"], models) == "unpinned"
    assert fetch(models["tiny"], models) != first


def test_a_model_made_from_a_derived_model_follows_its_adapter(base: ModelEntry, adapter: Path) -> None:
    models = family(base, adapter=adapter, drop_layers=(1,))
    models["small"] = entry(DerivedSource(base="tiny", drop_layers=(0,)), "small")
    fetch(models["small"], models)
    write_adapter(adapter, adapter_pairs(layers=2, seed=9), alpha=8, name="tiny", base="Tiny", architecture="llama")
    assert local_path(models["small"], models) is None


def test_an_adapter_of_another_model_and_a_layer_too_many_leave_nothing(
    base: ModelEntry, adapter: Path, cache: Path
) -> None:
    models = family(base, adapter=adapter, drop_layers=(1, 2))
    assert failure(lambda: fetch(models["tiny"], models)) == (
        f"tiny: {adapter}: the base has no tensor 'blk.1.attn_q.weight'; the adapter is of another model"
    )
    models = family(base, drop_layers=(3,))
    assert "tiny: " in (message := failure(lambda: fetch(models["tiny"], models)))
    assert message.endswith("base.gguf: no layer 3 to drop; it has 3, numbered from 0")
    assert list((cache / "models" / "tiny").iterdir()) == []


@pytest.mark.parametrize("stage", ["copy", "merge", "quantize"])
def test_a_fetch_cancelled_in_any_stage_leaves_nothing(
    base: ModelEntry, adapter: Path, cache: Path, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quantize(source: Path, target: Path, *_: object, cancelled: Callable[[], bool], **__: object) -> None:
        target.write_bytes(b"partial")
        step.append("quantize")
        if cancelled():
            raise FetchCancelled

    step: list[str] = []
    monkeypatch.setattr("data.models.derive.quantize_in_child", quantize)
    models = family(base, drop_layers=(1,), adapter=adapter, quantization="q8_0")
    with pytest.raises(FetchCancelled):
        fetch(
            models["tiny"],
            models,
            progress=lambda progress: step.append(progress.stage),
            cancelled=lambda: step[-1:] == [stage],
        )
    assert list((cache / "models" / "tiny").iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next_fetch(base: ModelEntry, cache: Path) -> None:
    directory = cache / "models" / "tiny"
    directory.mkdir(parents=True)
    for name in ("merge.tmp", ".merge.tmp.tmp", "quantize.tmp"):
        (directory / name).write_bytes(bytes(1000))
    models = family(base, drop_layers=(1,))
    path = fetch(models["tiny"], models)
    assert list(directory.iterdir()) == [path]


def test_disk_space_is_asked_for_the_f16_file_between_and_the_last_one(
    base: ModelEntry, adapter: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    monkeypatch.setattr("data.models.derive.require_space", lambda directory, needed, what: asked.append(needed))
    monkeypatch.setattr("data.models.derive.quantize_in_child", copying_quantizer([]))
    models = family(base, adapter=adapter, drop_layers=(1,), quantization="q8_0")
    path = fetch(replace(models["tiny"], file_size_bytes=5_000_000), models)
    f16_bytes = path.stat().st_size
    assert 5_000_000 + f16_bytes < asked[0] < 5_000_000 + 2 * f16_bytes


def test_a_disk_that_fills_up_during_a_merge_is_one_line(
    base: ModelEntry, adapter: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("data.gguf.lora.write_gguf", full)
    models = family(base, adapter=adapter, drop_layers=(1,))
    assert failure(lambda: fetch(models["tiny"], models)).startswith("tiny: disk full at ")
    assert list((cache / "models" / "tiny").iterdir()) == []


@pytest.mark.slow
def test_the_embedded_model_loses_layers_gains_an_adapter_and_comes_out_the_same_from_every_library(
    embedded_model: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data.llama_library import VARIANTS, builds_dir, cpu_flags
    from data.models.fetch import remove

    monkeypatch.delenv("TRADEOFF_CACHE")
    runnable = (name for name, (_, needs) in VARIANTS.items() if needs <= cpu_flags())
    builds = {name: builds_dir() / name for name in runnable if (builds_dir() / name / "libllama.so").exists()}
    monkeypatch.setenv("TRADEOFF_CACHE", str(cache))
    rng = np.random.default_rng(0)
    write_adapter(
        tmp_path / "adapter.gguf",
        {
            f"blk.{layer}.attn_q.weight": (rng.normal(0, 0.1, (8, 576)), rng.normal(0, 0.1, (576, 8)))
            for layer in range(20)
        },
        alpha=16,
        name="random",
        base="SmolLM2-135M-Instruct",
        architecture="llama",
    )
    models = family(
        entry(FileSource(path=embedded_model), "base"),
        drop_layers=(3, 4, 5, 6, 7, 14, 16, 17, 18, 25),
        adapter=tmp_path / "adapter.gguf",
        quantization="q4_1",
    )
    sums = set()
    for build in builds.values():
        monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(build))
        path = fetch(models["tiny"], models)
        header = read_header(path)
        assert (header.block_count, header.metadata["general.file_type"], header.vocabulary_size) == (20, 3, 49_152)
        sums.add(hashlib.sha256(path.read_bytes()).hexdigest())
        remove(models["tiny"])
    assert len(sums) == 1
