"""What a full cache gives up, and what it never does."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data.errors import ModelError
from data.hub.address import HubSource
from data.models.cache import models_dir
from data.models.fetch import fetch, local_path
from data.models.quota import cached_models, hold, make_room, note_use, quota_bytes
from tests.data.registries import entry
from tests.gguf_bytes import model_bytes
from tests.hub import Hub, Repo

MEGABYTE = 1_000_000


@pytest.fixture
def models(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models of 1 MB, `a` used longest ago, and a quota of 4 MB."""
    monkeypatch.setenv("TRADEOFF_CACHE_QUOTA_GB", "0.004")
    for age, name in enumerate("cba"):
        path = cache / "models" / name / f"{name}.gguf"
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(MEGABYTE))
        used = time.time() - 1000 * (age + 1)
        os.utime(path, (used, used))
    return cache / "models"


def names(models: Path) -> list[str]:
    return [model.path.stem for model in cached_models(models)]


def test_the_least_recently_used_goes_first_and_no_more_than_needed(models: Path) -> None:
    assert names(models) == ["a", "b", "c"]
    assert make_room(models, MEGABYTE, "new") == []
    assert [path.stem for path in make_room(models, 2 * MEGABYTE, "new")] == ["a"]
    assert names(models) == ["b", "c"]


def test_a_model_that_another_process_holds_stays_until_that_process_is_gone(models: Path) -> None:
    code = "from pathlib import Path; from data.models.quota import hold;"
    code += f"h = hold(Path({str(models / 'a' / 'a.gguf')!r})); print('held', flush=True); input()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout.readline() == b"held\n"
        assert [path.stem for path in make_room(models, 2 * MEGABYTE, "new")] == ["b"]
        holder.kill()
    assert [model.in_use for model in cached_models(models)] == [False, False]


def test_where_all_is_in_use_the_new_one_is_refused_and_nothing_goes(models: Path) -> None:
    held = [hold(models / name / f"{name}.gguf") for name in "abc"]
    with pytest.raises(ModelError, match="3 MB of the cache's 4 MB are in use") as caught:
        make_room(models, 2 * MEGABYTE, "new")
    assert "\n" not in str(caught.value) and names(models) == ["a", "b", "c"]
    for file in held:
        file.close()


def test_a_model_larger_than_the_quota_is_refused(models: Path) -> None:
    with pytest.raises(
        ModelError, match=r"new needs 100.00 GB, the cache may hold 4 MB; raise TRADEOFF_CACHE_QUOTA_GB"
    ):
        make_room(models, 100 * 10**9, "new")


def test_a_model_just_asked_for_counts_as_in_use(models: Path) -> None:
    note_use(models / "a" / "a.gguf")
    assert [path.stem for path in make_room(models, 2 * MEGABYTE, "new")] == ["b"]


@pytest.mark.parametrize("text", ["lots", "0", "-1", "nan"])
def test_a_quota_that_is_no_number_is_said(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TRADEOFF_CACHE_QUOTA_GB", text)
    with pytest.raises(ModelError, match="positive number of gigabytes"):
        quota_bytes()


def test_a_fetch_evicts_and_the_evicted_is_fetched_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEOFF_CACHE_QUOTA_GB", "0.0009")
    monkeypatch.setattr("data.models.quota.FRESH_S", 0.0)
    registry = {}
    for name in ("one", "two"):
        hub.repos[f"org/{name}"] = Repo(files={f"{name}.gguf": model_bytes(600_000 + len(registry))})
        registry[name] = entry(HubSource(repo=f"org/{name}", file=f"{name}.gguf"), name)
    fetch(registry["one"], registry)
    fetch(registry["two"], registry)
    assert local_path(registry["one"], registry) is None
    assert [path.name for path in models_dir().glob("one/*.gguf")] == []
    assert fetch(registry["one"], registry).exists()
