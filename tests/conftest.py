"""Fixtures for all tests. Slow ones share the real cache, so that the embedded model is fetched once a machine."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

# huggingface_hub reads these once, when it is imported.
HF_HOME = Path(tempfile.mkdtemp(prefix="tradeoff-hf-home-"))
os.environ |= {"HF_HOME": str(HF_HOME), "HF_HUB_DISABLE_XET": "1"}
# Workers of several tests share two cores: with OpenMP's usual long spinning they fall to a thirtieth.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# No test of a page fetches 1.6 GB beside it.
os.environ.setdefault("TRADEOFF_MODELS", "tiny")

from tests.hub import Hub, serve_hub  # noqa: E402
from tests.openai_server import OpenAIServer, serve_openai  # noqa: E402


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Votes, shares and added models of this test alone, never those of whoever runs it."""
    directory = tmp_path / "state"
    monkeypatch.setenv("TRADEOFF_STATE", str(directory))
    return directory


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test alone."""
    directory = tmp_path / "cache"
    monkeypatch.setenv("TRADEOFF_CACHE", str(directory))
    return directory


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback that the real client talks to, with no token, an empty cache, and no pause between attempts."""
    from huggingface_hub import close_session

    shutil.rmtree(HF_HOME, ignore_errors=True)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.utils._http.time", SimpleNamespace(sleep=lambda seconds: None))
    with serve_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield server
        close_session()


@pytest.fixture
def datasets_hub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """The same for `datasets`, which reads its settings once too."""
    import datasets.config

    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", hub.url)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    return hub


@pytest.fixture
def hub_constant(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
    """Set what the client read at its import, as a new process with another environment would have it."""
    return lambda name, value: monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """SmolLM2-135M in the real cache, fetched where it is not there; for tests marked slow."""
    from data.models.fetch import fetch
    from data.models.registry import get, load_registry

    registry = load_registry()
    return fetch(get(registry, "smollm2-135m"), registry)


@pytest.fixture(scope="session")
def tiny_model(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of random weights, with the embedded model's tokens and template: does what any model does, sooner."""
    from data.gguf.shapes import SHAPES, write_shape

    path = tmp_path_factory.mktemp("shape") / "tiny.gguf"
    write_shape(SHAPES["tiny"], path, embedded_model, name="tiny", quantization="f16")
    return path


@pytest.fixture
def openai_server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A server of OpenAI's protocol on loopback, an empty cache, and no pause between attempts."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr("benchmarks.engine.served.engine.PAUSES_S", (0.0, 0.0, 0.0))
    with serve_openai() as server:
        yield server
