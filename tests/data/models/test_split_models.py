"""Sets of parts as one model: from the Hub and from the disk, locked, listed, counted, evicted and removed."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import ModelError
from data.files import joint_sha256
from data.gguf.split import read_model
from data.hub.address import HubSource
from data.models.__main__ import describe
from data.models.added import file_entry, hub_entry
from data.models.cache import models_dir
from data.models.derive import refuse_split
from data.models.entries import DerivedSource, FileSource
from data.models.fetch import fetch, local_path, locate, pin_state, remove
from data.models.lock import lock_path
from data.models.quota import cached_models, make_room
from data.progress import FetchCancelled, Progress
from tests.data.registries import entry
from tests.gguf_bytes import LLAMA, gguf_bytes, split_model
from tests.hub import COMMIT, Hub, Repo

NAMES = [f"q4/big-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
MODEL = entry(HubSource(repo="org/big", file=NAMES[0]))
REGISTRY = {"tiny": MODEL}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.hub.download.RETRY_PAUSES_S", (0.0,))


@pytest.fixture
def parts(tmp_path: Path) -> list[bytes]:
    (tmp_path / "made").mkdir()
    return [path.read_bytes() for path in split_model(tmp_path / "made", name="big", size=200_000)]


@pytest.fixture
def full(hub: Hub, parts: list[bytes]) -> Hub:
    hub.repos["org/big"] = Repo(files=dict(zip(NAMES, parts, strict=True)))
    return hub


def sums(parts: list[bytes]) -> list[str]:
    return [hashlib.sha256(part).hexdigest() for part in parts]


def message_of(call: object) -> str:
    with pytest.raises(ModelError) as caught:
        call()  # type: ignore[operator]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("given", NAMES)
def test_a_set_is_fetched_whole_and_lies_side_by_side(full: Hub, parts: list[bytes], given: str) -> None:
    model = replace(MODEL, source=HubSource(repo="org/big", file=given))
    seen: list[Progress] = []
    path = fetch(model, {"tiny": model}, progress=seen.append)
    sha256 = joint_sha256(sums(parts))
    names = [f"tiny-{sha256[:12]}-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    assert sorted(file.name for file in path.parent.iterdir()) == names and path.name == names[0]
    assert [path.with_name(name).read_bytes() for name in names] == parts
    assert read_model(path).tensor_count == 3
    assert local_path(model, {"tiny": model}) == fetch(model, {"tiny": model}) == path
    total = sum(map(len, parts))
    done = [step.done_bytes for step in seen if step.stage == "download"]
    assert done == sorted(done) and done[-1] == total and {step.total_bytes for step in seen} == {total}
    (record,) = json.loads(lock_path().read_text())["models"].values()
    assert (record["sha256"], record["parts"], record["revision"]) == (sha256, sums(parts), COMMIT)
    assert describe(model, {"tiny": model})["file_size_bytes"] == total
    assert pin_state(model, {"tiny": model}) == "locked"


def test_a_set_is_pinned_by_the_sum_of_its_sums(full: Hub, parts: list[bytes]) -> None:
    good = replace(MODEL, sha256=joint_sha256(sums(parts)))
    assert fetch(good, {"tiny": good}).exists() and not lock_path().exists()
    bad = replace(MODEL, sha256="0" * 64)
    full.requests.clear()
    assert f"expected {'0' * 64}; nothing was downloaded" in message_of(lambda: fetch(bad, {"tiny": bad}))
    assert full.downloads() == []


def test_a_part_that_the_hub_lacks_is_named_before_anything_is_downloaded(full: Hub) -> None:
    del full.repos["org/big"].files[NAMES[2]]
    assert f"org/big has no file {NAMES[2]!r}" in message_of(lambda: fetch(MODEL, REGISTRY))
    assert full.downloads() == []


def test_a_cancelled_set_goes_on_in_the_part_where_it_was(full: Hub, parts: list[bytes], cache: Path) -> None:
    full.hold_after = None
    cancelled = threading.Event()

    def stop_in_the_second(progress: Progress) -> None:
        if progress.done_bytes > len(parts[0]):
            cancelled.set()

    with pytest.raises(FetchCancelled):
        fetch(MODEL, REGISTRY, progress=stop_in_the_second, cancelled=cancelled.is_set)
    kept = sorted(path.stat().st_size for path in (cache / "models" / "tiny").glob("*.partial"))
    assert len(kept) == 2 and kept[1] == len(parts[0])
    full.requests.clear()
    assert fetch(MODEL, REGISTRY).exists()
    assert [seen.path.rpartition("/")[2] for seen in full.downloads()] == [Path(name).name for name in NAMES[1:]]
    assert full.downloads()[0].headers["Range"] == f"bytes={kept[0]}-"
    assert not list((cache / "models" / "tiny").glob("*.partial"))


def test_a_part_with_other_bytes_is_fetched_again_and_no_other(full: Hub, parts: list[bytes]) -> None:
    full.served[NAMES[1]] = parts[1][:-4] + b"lies"
    assert "wrong sha256: expected" in message_of(lambda: fetch(MODEL, REGISTRY))
    full.served.clear()
    full.requests.clear()
    fetch(MODEL, REGISTRY)
    assert [seen.path.rpartition("/")[2] for seen in full.downloads()] == [Path(NAMES[1]).name]


def test_parts_that_are_no_set_are_not_kept(full: Hub, parts: list[bytes], cache: Path) -> None:
    full.repos["org/big"].files[NAMES[2]] = parts[1]
    assert "named as part 3 of 3, but its header says part 2 of 3" in message_of(lambda: fetch(MODEL, REGISTRY))
    assert list((cache / "models" / "tiny").iterdir()) == []


def test_space_is_asked_for_all_parts(full: Hub, monkeypatch: pytest.MonkeyPatch, parts: list[bytes]) -> None:
    asked: list[int] = []
    monkeypatch.setattr("data.models.from_hub.require_space", lambda directory, needed, what: asked.append(needed))
    fetch(MODEL, REGISTRY)
    assert asked == [sum(map(len, parts))]


def test_a_set_counts_and_goes_as_one(full: Hub, parts: list[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    path, total = fetch(MODEL, REGISTRY), sum(map(len, parts))
    (cached,) = cached_models(models_dir())
    assert (cached.path, cached.size_bytes) == (path, total)
    monkeypatch.setenv("TRADEOFF_CACHE_QUOTA_GB", "0.0007")
    assert make_room(models_dir(), 500_000, "new", now_s=cached.used_s + 1000) == [path]
    assert list(path.parent.iterdir()) == []
    fetch(MODEL, REGISTRY)
    assert remove(MODEL) == total and local_path(MODEL, REGISTRY) is None


def test_a_set_that_lost_a_part_is_not_here_and_is_fetched_again(full: Hub) -> None:
    path = fetch(MODEL, REGISTRY)
    path.with_name(path.name.replace("-00002-", "-00009-")).unlink(missing_ok=True)
    path.with_name(path.name.replace("-00001-", "-00002-")).unlink()
    assert local_path(MODEL, REGISTRY) is None
    assert fetch(MODEL, REGISTRY) == path == local_path(MODEL, REGISTRY)


def test_adding_any_part_adds_the_set(tmp_path: Path, cache: Path) -> None:
    files = split_model(tmp_path, name="Big-Q4_K_M", says={"general.file_type": 15, "general.size_label": "7B"})
    added = file_entry(str(files[1]), {})
    assert added.source == FileSource(path=files[0])
    assert (added.id, added.label, added.size, added.quantization) == ("big-q4_k_m", "Tiny · Q4_K_M", "7B", "q4_k_m")
    assert added.file_size_bytes == sum(file.stat().st_size for file in files)
    assert fetch(added, {}) == local_path(added, {}) == files[0]
    assert "big-q4_k_m" in message_of(lambda: file_entry(str(files[2]), {added.id: added}))
    assert locate(str(files[2])) == files[0]
    files[2].unlink()
    assert local_path(added, {}) is None
    assert f"1 of 3 parts are missing: {files[2].name}" in message_of(lambda: fetch(added, {}))
    assert f"1 of 3 parts are missing: {files[2].name}" in message_of(lambda: file_entry(str(files[0]), {}))


def test_a_set_of_the_disk_is_pinned_too(tmp_path: Path, cache: Path) -> None:
    files = split_model(tmp_path)
    good = entry(FileSource(path=files[2]), sha256=joint_sha256(sums([file.read_bytes() for file in files])))
    assert fetch(good, {}) == local_path(good, {}) == files[0]
    files[1].write_bytes(files[1].read_bytes()[:-4] + b"lies")
    assert "wrong sha256" in message_of(lambda: fetch(good, {}))


def test_a_part_of_a_set_on_the_hub_is_added_as_the_set() -> None:
    added = hub_entry("org/big", NAMES[2], {})
    assert added.source == MODEL.source
    assert (added.id, added.label, added.quantization) == ("big", "big", "unknown")
    assert "is on the list already, as big (big)" in message_of(lambda: hub_entry("org/big", NAMES[1], {"big": added}))


def test_only_quantizing_reads_a_split_base(tmp_path: Path) -> None:
    change = DerivedSource(base="tiny", drop_layers=(1,))
    for source in (MODEL.source, FileSource(path=tmp_path / "a-00001-of-00002.gguf")):
        message = message_of(lambda source=source: refuse_split(entry(change, "small"), change, entry(source)))
        assert "its base tiny is split in" in message and "derive an f16" in message
    quantized = DerivedSource(base="tiny", quantization="q8_0")
    refuse_split(entry(quantized, "q"), quantized, MODEL)


def test_what_is_no_text_generator_is_noticed_in_its_first_megabytes(hub: Hub, cache: Path) -> None:
    size = 40_000_000
    content = gguf_bytes({**LLAMA, "general.architecture": "bert"}, {"w": ((size // 4,), 0, 0)}, data=b"\1" * size)
    hub.repos["org/bert"] = Repo(files={"bert.gguf": content})
    model = entry(HubSource(repo="org/bert", file="bert.gguf"))
    seen: list[Progress] = []
    message = message_of(lambda: fetch(model, {}, progress=seen.append))
    assert message.startswith("tiny: the file reads text and writes none") and message.endswith(
        "nothing was kept of it"
    )
    assert max(step.done_bytes for step in seen) < 2_000_000
    assert list((cache / "models" / "tiny").iterdir()) == []


def test_a_part_under_another_name_is_noticed_in_its_first_megabytes(hub: Hub) -> None:
    split = {"split.no": 1, "split.count": 4, "split.tensors.count": 8}
    content = gguf_bytes(split, {"w": ((10_000_000,), 0, 0)}, data=b"\1" * 40_000_000)
    hub.repos["org/renamed"] = Repo(files={"model.gguf": content})
    model = entry(HubSource(repo="org/renamed", file="model.gguf"))
    seen: list[Progress] = []
    assert "part 2 of 4 of a split GGUF" in message_of(lambda: fetch(model, {}, progress=seen.append))
    assert max(step.done_bytes for step in seen) < 2_000_000
