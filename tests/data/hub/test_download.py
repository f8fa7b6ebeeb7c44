"""Downloads through the registry, by the real huggingface_hub client from a Hub on loopback."""

import hashlib
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import ModelError
from data.hub.address import HubSource
from data.hub.download import look_up
from data.models.fetch import fetch, local_path, pin_state, remove
from data.models.lock import lock_path
from data.progress import FetchCancelled, Progress
from tests.data.registries import entry
from tests.gguf_bytes import model_bytes
from tests.hub import COMMIT, Hub, Repo

SOURCE = HubSource(repo="org/tiny-GGUF", file="tiny-q4.gguf")
MODEL = entry(SOURCE)
REGISTRY = {"tiny": MODEL}
CONTENT = model_bytes(600_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.hub.download.RETRY_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def full(hub: Hub) -> Hub:
    hub.repos["org/tiny-GGUF"] = Repo(files={"tiny-q4.gguf": CONTENT})
    return hub


def partials(cache: Path) -> list[Path]:
    return list((cache / "models" / "tiny").glob("*.partial"))


def message_of_failure(model: object = MODEL) -> str:
    with pytest.raises(ModelError) as caught:
        fetch(model, REGISTRY)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_is_downloaded_checked_and_kept(full: Hub, cache: Path) -> None:
    seen: list[Progress] = []
    assert local_path(MODEL, REGISTRY) is None
    path = fetch(MODEL, REGISTRY, progress=seen.append)
    assert path.read_bytes() == CONTENT
    assert path == cache / "models" / "tiny" / f"tiny-{SHA256[:12]}.gguf"
    assert local_path(MODEL, REGISTRY) == path
    assert [step.done_bytes for step in seen if step.stage == "download"][-1] == len(CONTENT)
    assert {step.stage for step in seen} == {"download", "verify"}
    assert {step.total_bytes for step in seen} == {len(CONTENT)}
    assert partials(cache) == []


def test_a_fetched_model_needs_no_network(full: Hub) -> None:
    first = fetch(MODEL, REGISTRY)
    full.requests.clear()
    assert fetch(MODEL, REGISTRY) == first
    assert full.requests == []


def test_the_first_fetch_locks_commit_and_sha256(full: Hub) -> None:
    assert pin_state(MODEL, REGISTRY) == "unpinned"
    fetch(MODEL, REGISTRY)
    assert pin_state(MODEL, REGISTRY) == "locked"
    (record,) = json.loads(lock_path().read_text())["models"].values()
    assert record == {"id": "tiny", "revision": COMMIT, "sha256": SHA256, "file_size_bytes": len(CONTENT)}


def test_a_locked_model_stays_at_its_commit_when_main_moves_on(full: Hub, cache: Path) -> None:
    path = fetch(MODEL, REGISTRY)
    path.unlink()
    full.repos["org/tiny-GGUF"] = Repo(files={"tiny-q4.gguf": model_bytes(4000)}, commit="d" * 40)
    message = message_of_failure()
    assert f"no revision '{COMMIT}'" in message and "`python -m data.models remove tiny` forgets the lock" in message
    remove(MODEL)
    assert pin_state(MODEL, REGISTRY) == "unpinned"
    assert fetch(MODEL, REGISTRY).stat().st_size < 5000


def test_pinned_revision_and_sha256_are_used_without_a_lock(full: Hub) -> None:
    model = entry(HubSource(repo="org/tiny-GGUF", file="tiny-q4.gguf", revision=COMMIT), sha256=SHA256)
    fetch(model, {"tiny": model})
    assert pin_state(model, {"tiny": model}) == "pinned"
    assert not lock_path().exists()
    assert all(f"/resolve/{COMMIT}/" in seen.path for seen in full.requests)


def test_a_broken_connection_is_resumed_where_it_broke(full: Hub) -> None:
    full.cut_after = 300_000
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    first, second = full.downloads()
    assert "Range" not in first.headers
    start = int(second.headers["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 311_296


def test_a_cancelled_download_is_kept_and_resumed_by_the_next_fetch(full: Hub, cache: Path) -> None:
    full.hold_after = 200_000
    done: list[int] = []

    def remember(progress: Progress) -> None:
        done.append(progress.done_bytes)
        if progress.done_bytes > 100_000:
            full.go_on.set()

    with pytest.raises(FetchCancelled):
        fetch(MODEL, REGISTRY, progress=remember, cancelled=lambda: bool(done) and done[-1] > 100_000)
    (partial,) = partials(cache)
    kept = partial.stat().st_size
    assert 0 < kept < len(CONTENT)
    assert local_path(MODEL, REGISTRY) is None
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    assert full.downloads()[-1].headers["Range"] == f"bytes={kept}-"


def test_server_errors_that_pass_are_tried_again(full: Hub) -> None:
    full.failures = [503, 429]
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT


def test_server_errors_that_stay_are_reported(full: Hub) -> None:
    full.failures = [503] * 9
    assert f"{full.url} answered 503 for org/tiny-GGUF; try again later" in message_of_failure()


@pytest.mark.parametrize("status", [429, 503])
def test_the_hub_is_asked_again_when_it_wants_to_be(full: Hub, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    waits_s: list[float] = []
    monkeypatch.setattr("data.hub.download._pause", lambda seconds, cancelled: waits_s.append(seconds))
    full.failures, full.retry_after_s = [status], 30
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    assert waits_s == [30]


def test_a_long_wait_is_said_and_not_waited_for(full: Hub) -> None:
    full.failures, full.retry_after_s = [429], 300
    expected = f"{full.url} answered 429 for org/tiny-GGUF: too many requests, of which HF_TOKEN allows more; try again"
    assert message_of_failure() == f"{expected} in 300 s"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_look_up_that_the_hub_does_not_answer_is_reported(full: Hub, status: int) -> None:
    full.refusals = {"HEAD /org/tiny-GGUF/": status}
    assert f"{full.url} answered {status} for org/tiny-GGUF" in message_of_failure()
    assert full.downloads() == []


def test_a_connection_that_keeps_breaking_is_reported_and_its_bytes_kept(full: Hub, cache: Path) -> None:
    fetch_progress: list[int] = []
    full.cut_after = 50_000

    def cut_again(progress: Progress) -> None:
        fetch_progress.append(progress.done_bytes)
        full.cut_after = 0

    with pytest.raises(ModelError, match=r"the connection to http://127\.0\.0\.1:\d+ failed .* kept") as caught:
        fetch(MODEL, REGISTRY, progress=cut_again)
    (partial,) = partials(cache)
    assert partial.stat().st_size == max(fetch_progress)
    assert f"after {max(fetch_progress):,} bytes of tiny-q4.gguf" in str(caught.value)


@pytest.mark.slow
def test_a_connection_that_stalls_again_and_again_is_resumed_each_time(
    full: Hub, hub_constant: Callable[[str, object], None]
) -> None:
    hub_constant("HF_HUB_DOWNLOAD_TIMEOUT", 0.3)
    full.hold_after = 250_000
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    starts = [int(seen.headers.get("Range", "bytes=0-")[6:-1]) for seen in full.downloads()]
    assert len(starts) == 3 and starts == sorted(set(starts))


def test_a_hub_that_never_sends_a_byte_is_reported(full: Hub, hub_constant: Callable[[str, object], None]) -> None:
    hub_constant("HF_HUB_DOWNLOAD_TIMEOUT", 0.1)
    full.hold_after = 0
    assert f"cannot reach {full.url} (" in message_of_failure()
    assert len(full.downloads()) == 3


def test_where_a_download_cannot_start_in_the_middle_it_starts_over(full: Hub) -> None:
    full.ranges, full.cut_after = False, 300_000
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    assert "Range" in full.downloads()[1].headers


def test_two_fetches_at_once_download_once(full: Hub) -> None:
    full.hold_after = 100_000
    paths: list[Path] = []
    first = threading.Thread(target=lambda: paths.append(fetch(MODEL, REGISTRY)))
    first.start()
    assert full.holding.wait(60)

    def waiting() -> bool:  # asked while the second waits for the first one's lock
        full.go_on.set()
        return False

    paths.append(fetch(MODEL, REGISTRY, cancelled=waiting))
    first.join()
    assert paths[0] == paths[1]
    assert len(full.downloads()) == 1


def test_waiting_for_another_fetch_can_be_cancelled(full: Hub) -> None:
    full.hold_after = 100_000
    first = threading.Thread(target=lambda: fetch(MODEL, REGISTRY))
    first.start()
    assert full.holding.wait(60)
    with pytest.raises(FetchCancelled):
        fetch(MODEL, REGISTRY, cancelled=lambda: True)
    with pytest.raises(ModelError, match="being fetched by another process"):
        remove(MODEL)
    full.go_on.set()
    first.join()


def test_wrong_bytes_are_refused_and_removed(full: Hub, cache: Path) -> None:
    wrong = bytearray(CONTENT)
    wrong[-1] ^= 1
    full.served["tiny-q4.gguf"] = bytes(wrong)
    message = message_of_failure()
    assert f"wrong sha256: expected {SHA256}, got {hashlib.sha256(wrong).hexdigest()}" in message
    assert "the file was removed" in message
    assert partials(cache) == []
    full.served.clear()
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT


def test_an_etag_that_belongs_to_other_bytes_is_noticed(full: Hub, cache: Path) -> None:
    full.etags["tiny-q4.gguf"] = "0" * 64
    assert f"wrong sha256: expected {'0' * 64}, got {SHA256}; the file was removed" in message_of_failure()
    assert local_path(MODEL, REGISTRY) is None and list((cache / "models" / "tiny").iterdir()) == []


def test_where_the_etag_is_no_sha256_the_pinned_one_is_checked_all_the_same(full: Hub) -> None:
    full.etags["tiny-q4.gguf"] = "0" * 40
    full.served["tiny-q4.gguf"] = CONTENT[:-1] + b"?"
    pinned = entry(SOURCE, sha256=SHA256)
    assert f"wrong sha256: expected {SHA256}" in message_of_failure(pinned)
    assert local_path(pinned, {"tiny": pinned}) is None


def test_an_etag_that_is_a_path_leads_nowhere(full: Hub, cache: Path) -> None:
    full.etags["tiny-q4.gguf"] = "../../escaped"
    with pytest.raises(FetchCancelled):
        fetch(MODEL, REGISTRY, cancelled=lambda: any(full.downloads()))
    assert [path.parent for path in cache.rglob("*.partial")] == [cache / "models" / "tiny"]


def test_bytes_that_are_not_even_a_model_are_named_as_such(full: Hub) -> None:
    full.served["tiny-q4.gguf"] = b"<html>".ljust(len(CONTENT))
    assert "is not a GGUF file; it seems to be a web page" in message_of_failure()


def test_a_pickle_is_refused_at_its_first_bytes_and_nothing_of_it_is_kept(full: Hub, cache: Path) -> None:
    pickled = pickle.dumps({"weights": list(range(100_000))})
    full.repos["org/tiny-GGUF"] = Repo(files={"tiny-q4.gguf": pickled})
    full.hold_after = 65_536  # the rest would never come
    assert "is not a GGUF file; it seems to be a pickle; nothing was kept" in message_of_failure()
    full.go_on.set()
    assert [path.stat().st_size for path in partials(cache)] in ([], [0])


def test_a_file_larger_than_the_disk_is_refused_before_the_download(full: Hub) -> None:
    full.sizes["tiny-q4.gguf"] = 10**17
    assert "disk full: tiny needs 100000000.00 GB" in message_of_failure()
    assert full.downloads() == []


def test_a_file_larger_than_the_quota_is_refused_before_the_download(
    full: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRADEOFF_CACHE_QUOTA_GB", "20")
    full.sizes["tiny-q4.gguf"] = 100 * 10**9
    assert "tiny needs 100.00 GB, the cache may hold 20.00 GB" in message_of_failure()
    assert full.downloads() == []


FETCH = """
import sys
from data.hub.address import HubSource
from data.models.fetch import fetch
from tests.data.registries import entry
model = entry(HubSource(repo="org/tiny-GGUF", file="tiny-q4.gguf"))
print(fetch(model, {"tiny": model}))
"""


def start_fetch() -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", FETCH], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("hold_after", [16_384, 311_296, 573_440])
def test_a_process_killed_while_it_downloads_leaves_what_the_next_one_goes_on_with(
    full: Hub, cache: Path, hold_after: int
) -> None:
    full.hold_after = hold_after
    with start_fetch() as process:
        assert full.holding.wait(timeout=30)
        grown = threading.Event()  # nobody sets it: it only waits
        while not any(path.stat().st_size for path in partials(cache)):
            grown.wait(0.01)
        process.kill()
    assert local_path(MODEL, REGISTRY) is None and list((cache / "models" / "tiny").glob("*.gguf")) == []
    full.hold_after = None
    full.go_on.set()
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    first, second = full.downloads()
    assert "Range" not in first.headers and 0 < int(second.headers["Range"][6:-1]) <= hold_after + 16_384


@pytest.mark.slow
def test_two_processes_that_want_one_model_download_it_once(full: Hub) -> None:
    with start_fetch() as one, start_fetch() as two:
        answers = {process.communicate(timeout=60)[0] for process in (one, two)}
    assert len(answers) == 1 and len(full.downloads()) == 1


def test_a_short_file_is_refused(full: Hub, cache: Path) -> None:
    remote = look_up(SOURCE, None)
    assert remote.size_bytes == len(CONTENT)
    full.repos["org/tiny-GGUF"].files["tiny-q4.gguf"] = CONTENT[:-10]
    assert "truncated: its header promises" in message_of_failure()


def test_a_hub_file_that_differs_from_the_registry_is_refused_before_the_download(full: Hub) -> None:
    model = entry(SOURCE, sha256="0" * 64)
    assert f"has {SHA256}, expected {'0' * 64}; nothing was downloaded" in message_of_failure(model)
    assert full.downloads() == []


def test_a_file_changed_in_the_cache_is_noticed_and_removed(full: Hub) -> None:
    path = fetch(MODEL, REGISTRY)
    path.write_bytes(CONTENT[:1000])
    assert local_path(MODEL, REGISTRY) is None
    assert "truncated" in message_of_failure()
    assert not path.exists()
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT


def test_a_touched_file_is_checked_again_without_a_download(full: Hub) -> None:
    path = fetch(MODEL, REGISTRY)
    path.touch()
    full.requests.clear()
    assert fetch(MODEL, REGISTRY) == path
    assert full.requests == []
    assert local_path(MODEL, REGISTRY) == path


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (HubSource(repo="org/tiny-GGUF", file="other.gguf"), "org/tiny-GGUF has no file 'other.gguf' at main; see"),
        (HubSource(repo="org/none", file="a.gguf"), "no access to org/none (401): it does not exist, or it is private"),
        (HubSource(repo="org/tiny-GGUF", file="tiny-q4.gguf", revision="v9"), "org/tiny-GGUF has no revision 'v9'"),
        (HubSource(repo="a b/c", file="a.gguf"), "a b/c"),
    ],
)
def test_what_the_hub_does_not_have_is_said(full: Hub, source: HubSource, message: str) -> None:
    assert message in message_of_failure(entry(source))


def test_a_gated_repository_says_how_to_get_access(full: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    full.repos["org/tiny-GGUF"].access = "gated"
    message = message_of_failure()
    assert f"gated (401): accept its terms at {full.url}/org/tiny-GGUF, then set HF_TOKEN" in message
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "gated (403)" in message_of_failure()
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT


def test_a_token_that_was_revoked_is_named_as_the_cause(full: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_old")
    full.revoked = ("hf_old",)
    assert "does not accept the Hugging Face token (401): it is wrong, expired or revoked" in message_of_failure()


def test_a_renamed_repository_is_found_under_its_new_name(full: Hub) -> None:
    full.repos["org/renamed"] = full.repos.pop("org/tiny-GGUF")
    full.moved["org/tiny-GGUF"] = "org/renamed"
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT


def test_the_host_that_stores_large_files_sees_no_token(full: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    full.repos["org/tiny-GGUF"].access, full.storage, full.cut_after = "private", True, 300_000
    assert fetch(MODEL, REGISTRY).read_bytes() == CONTENT
    stored = [seen for seen in full.requests if "/stored/" in seen.path]
    assert len(stored) == 2 and "Range" in stored[1].headers
    assert not any("Authorization" in seen.headers for seen in stored)
    assert all("Authorization" in seen.headers for seen in full.downloads())


def test_a_private_repository_looks_like_none(full: Hub) -> None:
    full.repos["org/tiny-GGUF"].access = "private"
    assert "no access to org/tiny-GGUF (401)" in message_of_failure()


def test_no_network_names_the_host_and_what_still_works(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    message = message_of_failure()
    assert "cannot reach http://127.0.0.1:9" in message
    assert "models already fetched still work" in message


def test_offline_mode_is_named(full: Hub, hub_constant: Callable[[str, object], None]) -> None:
    hub_constant("HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in message_of_failure()


def test_a_full_disk_is_noticed_before_the_download(full: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1_000_000})())
    message = message_of_failure()
    assert f"disk full: tiny needs 1 MB, 1 MB free at {cache / 'models' / 'tiny'}" in message
    assert full.downloads() == []


def test_a_disk_that_fills_up_midway_is_said_and_the_bytes_kept(
    full: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(progress: Progress) -> None:
        if progress.done_bytes:
            raise OSError(28, "No space left on device")

    with pytest.raises(ModelError, match=r"disk full at .*make room, then fetch again"):
        fetch(MODEL, REGISTRY, progress=fail)
    assert partials(cache)[0].stat().st_size > 0


def test_a_broken_lock_file_says_what_to_do(full: Hub) -> None:
    lock_path().parent.mkdir(parents=True, exist_ok=True)
    lock_path().write_text("{")
    message = message_of_failure()
    assert "models.lock.json: not JSON" in message and "; remove it, and unpinned models" in message


def test_removing_frees_the_bytes(full: Hub, cache: Path) -> None:
    path = fetch(MODEL, REGISTRY)
    assert remove(MODEL) == len(CONTENT)
    assert not path.exists()
    assert list((cache / "checksums").iterdir()) == []
    assert remove(MODEL) == 0
