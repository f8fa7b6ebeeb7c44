"""A base in memory once, under several adapters, answers as the merged files do."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks.engine.ask import ask
from benchmarks.engine.contract import Engine, EngineError, LoadOptions, Request, Sampling
from data.files import model_sha256
from data.gguf.adapted import link_base, write_adapted
from data.gguf.header import read_header
from data.gguf.lora import merge_adapter, write_adapter
from data.message import Message

pytestmark = pytest.mark.slow
TOKENS = list(range(100, 148))
OPTIONS = LoadOptions(context_tokens=256, sequences=1)


def adapter_of(base: Path, out: Path, *, seed: int) -> Path:
    """Random factors, large enough to change what is said, for every matrix of the layers."""
    rng = np.random.default_rng(seed)
    matrices = [each for each in read_header(base).tensors if "_norm" not in each.name and each.name.startswith("blk.")]
    pairs = {
        each.name: (
            (rng.standard_normal((4, each.dimensions[0])) / 8).astype(np.float16),
            (rng.standard_normal((each.dimensions[1], 4)) / 8).astype(np.float16),
        )
        for each in matrices
    }
    write_adapter(out, pairs, alpha=8, name=out.stem, base="tiny", architecture="llama")
    return out


@pytest.fixture(scope="module")
def adapted(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """By name, the adapter on its base and the merged file."""
    found, sha256 = {}, model_sha256(tiny_model)
    for seed, name in enumerate(("one", "two"), start=1):
        directory = tmp_path_factory.mktemp(name)
        adapter = adapter_of(tiny_model, directory / f"{name}.adapter", seed=seed)
        write_adapted(adapter, tiny_model, directory / f"{name}.gguf", base_sha256=sha256)
        link_base(directory, tiny_model, sha256)
        merge_adapter(tiny_model, adapter, directory / f"{name}.merged.gguf")
        found[name] = (directory / f"{name}.gguf", directory / f"{name}.merged.gguf")
    return found


def opened(path: Path) -> Engine:
    from benchmarks.engine.native.engine import LlamaEngine

    return LlamaEngine(path, OPTIONS)


@pytest.fixture(scope="module")
def engines(tiny_model: Path, adapted: dict[str, tuple[Path, Path]]) -> Iterator[dict[str, Engine]]:
    """All open at once."""
    found = {"base": opened(tiny_model)}
    for name, (on_base, merged) in adapted.items():
        found |= {name: opened(on_base), f"{name} merged": opened(merged)}
    yield found
    for engine in found.values():
        engine.close()


def divergence(one: Engine, other: Engine) -> float:
    a, b = (np.asarray(engine.distributions(TOKENS), dtype=np.float64) for engine in (one, other))
    return float((np.exp(a) * (a - b)).sum(axis=1).mean())


def test_an_adapter_on_its_base_says_what_the_merged_file_says_and_nothing_of_the_others(
    engines: dict[str, Engine],
) -> None:
    for name in ("one", "two"):
        assert divergence(engines[name], engines[f"{name} merged"]) < 1e-3
        assert divergence(engines[name], engines["base"]) > 0.01
    assert divergence(engines["one"], engines["two"]) > 0.01


def test_they_take_turns_without_changing_what_each_one_writes(engines: dict[str, Engine]) -> None:
    request = Request(messages=(Message(role="user", content="Name a colour."),), sampling=Sampling(max_tokens=12))

    def said(name: str) -> str:
        end = ask(engines[name], request).finished
        assert end
        return end.text

    alone = {name: said(name) for name in ("base", "one", "two")}
    assert len(set(alone.values())) == 3
    assert {name: said(name) for name in ("two", "base", "one")} == alone


def test_closing_one_leaves_the_others_their_weights(adapted: dict[str, tuple[Path, Path]]) -> None:
    first, second = opened(adapted["one"][0]), opened(adapted["two"][0])
    before = second.score(TOKENS)
    first.close()
    assert np.array_equal(second.score(TOKENS), before)
    assert second.files == first.files  # kept in the cache as long as it is loaded
    second.close()


def test_an_adapter_whose_base_went_is_refused_in_one_line(
    adapted: dict[str, tuple[Path, Path]], tmp_path: Path
) -> None:
    alone = tmp_path / "alone.gguf"
    alone.write_bytes(adapted["one"][0].read_bytes())
    with pytest.raises(EngineError, match=r"alone.gguf: an adapter of tiny, whose own file .* is not here any more"):
        opened(alone)
