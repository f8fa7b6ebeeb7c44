import dataclasses
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.library.downloads import Downloads
from app.library.first_pair import TINY, FirstPair, embedded_pair, real_pairs
from data.errors import ModelError
from data.models.entries import FileSource, ModelEntry
from tests.data.registries import entry

SMALL, LARGE = "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b"
Registry = dict[str, ModelEntry]


def made(
    directory: Path, model_id: str, base: str = "Tiny", rank: int | None = None, *, here: bool = False
) -> ModelEntry:
    """A model whose file is written by the test's fetch, or is there."""
    path = directory / f"{model_id}.gguf"
    if here:
        path.write_bytes(b"x")
    return dataclasses.replace(
        entry(FileSource(path=path), model_id, size=800_000_000), base=base, rank=rank, label=model_id.title()
    )


@pytest.fixture
def registry(cache: Path, tmp_path: Path) -> Registry:
    """The tiny pair, which is here, and the published bases, which are not."""
    models = [
        *(made(tmp_path, model_id, here=True) for model_id in TINY),
        made(tmp_path, LARGE, "Qwen2.5-Coder-1.5B-Instruct"),
        made(tmp_path, SMALL, "Qwen2.5-Coder-0.5B-Instruct"),
    ]
    return {each.id: each for each in models}


def writes(entry: ModelEntry, registry: Any, **_: Any) -> Path:
    entry.source.path.write_bytes(b"x")  # type: ignore[union-attr]
    return Path(entry.source.path)  # type: ignore[union-attr]


def fails(entry: ModelEntry, registry: Any, **_: Any) -> Path:
    raise ModelError(f"{entry.id}: the Hub failed (no network), the package index failed (no network)")


def first_pair(registry: Registry, fetch: Any = writes, *, wanted: bool = True) -> FirstPair:
    return FirstPair(registry, Downloads(registry, fetch), wanted=wanted)


def test_the_tiny_pair_is_first_until_the_real_one_is_here(registry: Registry) -> None:
    pair = first_pair(registry)
    assert pair.now == TINY
    pair.work()
    assert pair.now == (SMALL, LARGE) and pair.says is None


def test_who_does_not_want_real_models_keeps_the_tiny_ones_even_where_others_are_here(registry: Registry) -> None:
    pair = first_pair(registry, wanted=False)
    pair.start()
    assert not pair.running
    for model_id in (SMALL, LARGE):
        writes(registry[model_id], registry)
    assert pair.now == TINY


def test_without_a_network_the_tiny_pair_stays_and_one_line_says_what_is_missing(registry: Registry) -> None:
    pair = first_pair(registry, fails)
    pair.work()
    assert pair.now == TINY
    assert pair.says == (
        "Qwen2.5-Coder-0.5B and Qwen2.5-Coder-1.5B could not be fetched (qwen2.5-coder-0.5b: the Hub failed (no "
        "network), the package index failed (no network)); the small models are here, and the Models page fetches "
        "others."
    )


def test_a_disk_that_is_too_small_is_said_before_anything_is_fetched(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    asked: list[str] = []
    pair = first_pair(registry, lambda entry, registry, **_: asked.append(entry.id))
    pair.work()
    assert pair.says and "the pair of real models needs 1.60 GB, 1.00 GB free" in pair.says and not asked


def test_a_cancel_stops_the_fetch_and_says_so(registry: Registry) -> None:
    from data.progress import FetchCancelled

    def until_cancelled(entry: ModelEntry, registry: Any, *, progress: Any, cancelled: Any) -> Path:
        pair.cancel()
        while not cancelled():
            pass
        raise FetchCancelled

    pair = first_pair(registry, until_cancelled)
    pair.work()
    assert not pair.running and pair.says and "were not fetched: stopped" in pair.says
    assert pair.now == TINY


def test_the_projects_fine_tunes_come_before_their_bases_and_the_missions_before_all(
    registry: Registry, tmp_path: Path
) -> None:
    tuned = [
        made(tmp_path, "half-r8", "Qwen2.5-Coder-0.5B-Instruct", 8, here=True),
        made(tmp_path, "one-r16", "Qwen2.5-Coder-1.5B-Instruct", 16, here=True),
    ]
    registry |= {each.id: each for each in tuned}
    assert first_pair(registry).now == ("half-r8", "one-r16")
    missions = [
        made(tmp_path, "a-1b", "Llama-3.2-1B-Instruct", 8),
        made(tmp_path, "a-3b", "Llama-3.2-3B-Instruct", 16),
    ]
    registry |= {each.id: each for each in missions}
    assert real_pairs(registry) == [("a-1b", "a-3b"), ("half-r8", "one-r16"), (SMALL, LARGE)]
    pair = first_pair(registry)
    assert pair.now == ("half-r8", "one-r16")  # until the mission's are here
    pair.work()
    assert pair.now == ("a-1b", "a-3b")


def test_progress_is_of_both_files_together(registry: Registry) -> None:
    said: list[str | None] = []

    def half_way(entry: ModelEntry, registry: Any, *, progress: Any, cancelled: Any) -> Path:
        from data.progress import Progress

        progress(Progress(model_id=entry.id, stage="download", done_bytes=400_000_000, total_bytes=800_000_000))
        said.append(pair.says)
        return writes(entry, registry)

    pair = first_pair(registry, half_way)
    pair.start()
    for thread in [each for each in threading.enumerate() if each.name == "first-pair"]:
        thread.join(timeout=30)
    assert [line and line.partition("fetched: ")[2].partition(" of")[0] for line in said] == ["25%", "75%"]
    assert said[0] and "of 1.60 GB. Who begins after that begins with them." in said[0]


def test_another_registry_has_its_first_two_models_as_the_embedded_pair(tmp_path: Path) -> None:
    models = {name: made(tmp_path, name) for name in ("one", "two", "three")}
    assert embedded_pair(models) == ("one", "two")
    assert embedded_pair({"one": models["one"]}) == ("one", "one")
