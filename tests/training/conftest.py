"""A tiny model of each architecture, and a run of it that is trained and exported, shared by all tests of training."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data.llama_library import library_dir
from tests.training.tiny_models import TINY_ARCHITECTURES, write_rows, write_tiny, write_tokenizer
from training.config import CONFIGS_DIR, Config, load_config
from training.run_directory import RunDirectory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """What the tiny configuration needs, in one directory."""

    base: Path
    rows: Path
    runs: Path

    def config(self, *changes: str) -> Config:
        """training/configs/tiny.toml on this base and these rows, with changes as `--set` takes them."""
        return load_config(CONFIGS_DIR / "tiny.toml", [*self.changes(), *changes])

    def changes(self) -> list[str]:
        return [f"base.name={self.base}", f"data.path={self.rows}"]

    def options(self) -> list[str]:
        """The same for a command line."""
        changes = [part for change in self.changes() for part in ("--set", change)]
        return [str(CONFIGS_DIR / "tiny.toml"), *changes, "--runs", str(self.runs)]


Trained = tuple[Tiny, RunDirectory]


@pytest.fixture(scope="session")
def training_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training-cache")


@pytest.fixture(autouse=True)
def own_cache(training_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(training_cache, monkeypatch)


def _use(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of these tests, with the real one's llama.cpp; two threads only wait for each other on a tiny model."""
    monkeypatch.setenv("CPU_CORES", "1")
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(library_dir()))
    monkeypatch.setenv("TRADEOFF_CACHE", str(cache))


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint. One thread computes as fast as two on matrices this small."""
    import torch

    torch.set_num_threads(1)
    return write_tiny(tmp_path_factory.mktemp("tiny") / "base")


@pytest.fixture
def tiny(tiny_base: Path, tmp_path: Path) -> Tiny:
    """Nothing prepared, nothing trained."""
    return Tiny(base=tiny_base, rows=write_rows(tmp_path / "rows.jsonl"), runs=tmp_path / "runs")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> "PreTrainedTokenizerFast":
    """The tiny Llama's, with Llama 3's special tokens and its chat template."""
    from training.rows.examples import load_tokenizer

    directory = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(directory)
    return load_tokenizer(directory, "llama-3.1")


@pytest.fixture(scope="session")
def run_of(tiny_base: Path, training_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Trained]:
    """The tiny configuration's run on an architecture, exported as F16 and q8_0, made when it is first asked for. Tests
    read it; those that write take a copy."""

    @cache
    def made(architecture: str) -> Trained:
        from training.checkpoints.export import export
        from training.fit.train import train

        directory = tmp_path_factory.mktemp(architecture)
        base = tiny_base if architecture == "llama" else write_tiny(directory / "base", architecture)
        tiny = Tiny(base=base, rows=write_rows(directory / "rows.jsonl"), runs=directory / "runs")
        with pytest.MonkeyPatch.context() as monkeypatch:
            _use(training_cache, monkeypatch)
            run = train(tiny.config(), runs=tiny.runs)
            export(run)
        return tiny, run

    return made


@pytest.fixture(scope="session")
def tiny_run(run_of: Callable[[str], Trained]) -> Trained:
    """The Llama's."""
    return run_of("llama")


@pytest.fixture(scope="session", params=tuple(TINY_ARCHITECTURES))
def any_run(run_of: Callable[[str], Trained], request: pytest.FixtureRequest) -> Trained:
    """That of each architecture in turn."""
    return run_of(request.param)


@pytest.fixture
def exported(tiny_run: Trained, tmp_path: Path) -> RunDirectory:
    """A copy of the Llama's run, to be broken."""
    return copy_of(tiny_run, tmp_path)


@pytest.fixture
def any_exported(any_run: Trained, tmp_path: Path) -> RunDirectory:
    """A copy of each architecture's run in turn, to be broken."""
    return copy_of(any_run, tmp_path)


def copy_of(trained: Trained, tmp_path: Path) -> RunDirectory:
    return RunDirectory(path=Path(shutil.copytree(trained[1].path, tmp_path / "copies" / "tiny")))
