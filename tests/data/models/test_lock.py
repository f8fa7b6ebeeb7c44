"""A damaged `models.lock.json` costs its own models' pins, and no page."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import ModelError
from data.models.entries import FileSource, ModelEntry
from data.models.fetch import local_path, pin_state
from data.models.lock import Pin, lock_path, lock_problem, read_pin, write_pin
from tests.gguf_bytes import model_bytes
from tests.mutations import mutations


def entry(name: str, path: Path) -> ModelEntry:
    return ModelEntry(
        id=name, label=name, base="b", size="1M", quantization="q8_0", licence="MIT", source=FileSource(path=path)
    )


@pytest.fixture
def models(cache: Path, tmp_path: Path) -> dict[str, ModelEntry]:
    (tmp_path / "a.gguf").write_bytes(model_bytes())
    made = {name: entry(name, tmp_path / "a.gguf") for name in ("one", "two")}
    for each in made.values():
        write_pin(each, made, Pin(sha256="a" * 64, revision="c" * 40, file_size_bytes=5, parts=("b" * 64,)))
    return made


def look(models: dict[str, ModelEntry]) -> None:
    for each in models.values():
        assert local_path(each, models) is not None  # its file lies where the registry says
        assert pin_state(each, models) in ("locked", "unpinned")
        try:
            read_pin(each, models)
        except ModelError as error:
            assert "remove it" in str(error) and "\n" not in str(error) and len(str(error)) < 600
            assert lock_problem() is not None


def test_any_change_of_the_lock_file_is_one_line(models: dict[str, ModelEntry]) -> None:
    for change, content in mutations(json.loads(lock_path().read_text()), most=500):
        lock_path().write_text(json.dumps(content))
        try:
            look(models)
        except Exception as error:
            raise AssertionError(change) from error


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"\xff" * 50),
        lambda path: path.write_text("[" * 100_000),
        lambda path: path.write_text(path.read_text()[:-40]),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_no_damage_is_more_than_one_line(models: dict[str, ModelEntry], damage: Callable[[Path], object]) -> None:
    damage(lock_path())
    look(models)
    assert (lock_problem() or "").startswith(f"{lock_path()}: ")


def test_a_broken_record_costs_its_own_model_alone(models: dict[str, ModelEntry]) -> None:
    content = json.loads(lock_path().read_text())
    broken = next(iter(content["models"]))
    content["models"][broken]["sha256"] = ["no"]
    lock_path().write_text(json.dumps(content))
    with pytest.raises(ModelError, match="sha256 is"):
        read_pin(models["one"], models)
    assert read_pin(models["two"], models) is not None
