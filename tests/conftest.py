"""Fixtures for all tests. Slow ones share the real cache, so that the embedded model is fetched once a machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import Hub, serve_hub


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
def hub(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub on loopback that the real client talks to, with no token and an empty cache."""
    from huggingface_hub import close_session

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    with serve_hub() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield server
        close_session()


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """SmolLM2-135M in the real cache, fetched where it is not there; for tests marked slow."""
    from data.models.fetch import fetch
    from data.models.registry import get, load_registry

    registry = load_registry()
    return fetch(get(registry, "smollm2-135m"), registry)
