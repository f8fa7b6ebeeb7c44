"""The one generation service of this process, and who is looking at it."""

import os
import threading
import uuid
from pathlib import Path

import streamlit as st

from app.generation import GenerationService
from benchmarks.worker import Worker
from data.registry import DEFAULT_REGISTRY, Registry, load_registry
from data.sources import fetch, local_path

# The pages use the same cores: with OpenMP's usual long spinning, decode drops to a tenth whenever something else runs.
# Short spinning costs 5% on an idle machine (docs/log.md). What the user has set wins.
WORKER_ENVIRONMENT = {"GOMP_SPINCOUNT": os.environ.get("GOMP_SPINCOUNT", "1000")}

DEFAULT_PAIR = ("smollm2-135m", "smollm2-135m-r16")


@st.cache_resource(show_spinner=False)
def registry() -> Registry:
    """The models on offer; `TRADEOFF_REGISTRY` names another registry file."""
    return load_registry(Path(os.environ.get("TRADEOFF_REGISTRY", DEFAULT_REGISTRY)))


@st.cache_resource(show_spinner=False)
def service() -> GenerationService:
    """Shared by every visitor. The default pair is loaded ahead of the first prompt where it is here."""
    engine = os.environ.get("TRADEOFF_ENGINE", "llama_cpp")
    generation = GenerationService(
        registry(), fetch=fetch, start_worker=lambda: Worker(WORKER_ENVIRONMENT), engine=engine
    )
    threading.Thread(target=_import_charts, name="imports", daemon=True).start()
    here = [model_id for model_id in default_pair() if local_path(registry()[model_id], registry())]
    generation.warm(here)
    return generation


def _import_charts() -> None:
    """The Results page's libraries take seconds to import: done while the first visitor reads the Compare page."""
    import benchmarks.charts  # noqa: F401


def default_pair() -> tuple[str, str]:
    """Model ids of the pair that a first visitor sees."""
    if all(model_id in registry() for model_id in DEFAULT_PAIR):
        return DEFAULT_PAIR
    first, *rest = registry()
    return first, (rest or [first])[0]


def visitor() -> str:
    """A random id of this browser tab's session."""
    return str(st.session_state.setdefault("visitor", uuid.uuid4().hex))
