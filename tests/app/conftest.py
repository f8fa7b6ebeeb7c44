"""An app over scripted models: real pages, a real worker process, no weights."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.chat.once import forget_all
from tests.gguf_bytes import model_bytes

MODELS = ("alpha", "beta")


@pytest.fixture
def scripted_app(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Call it with a model's name and script; the app's service is new for each test."""
    import streamlit as st

    registry = tmp_path / "models.toml"
    tables = []
    for name in MODELS:
        (tmp_path / f"{name}.gguf").write_bytes(model_bytes())
        tables.append(
            f'[[model]]\nid = "{name}"\nlabel = "{name.title()}"\nbase = "none"\nsize = "0"\nquantization = "none"\n'
            f'licence = "none"\nsource = {{ kind = "file", path = "{name}.gguf" }}\n'
        )
    registry.write_text("\n".join(tables))
    monkeypatch.setenv("TRADEOFF_REGISTRY", str(registry))
    monkeypatch.setenv("TRADEOFF_ENGINE", "scripted")
    monkeypatch.setenv("TRADEOFF_RESULTS", str(tmp_path / "results"))
    monkeypatch.setenv("TRADEOFF_STATE", str(tmp_path / "state"))
    forget_all()
    st.cache_resource.clear()

    def write(name: str, **script: object) -> None:
        (tmp_path / f"{name}.json").write_text(json.dumps(script))

    yield write
    from app import runtime

    runtime.service().close()
    forget_all()
    st.cache_resource.clear()
