import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from app.library.downloads import Downloads
from data.errors import ModelError
from data.models.entries import FileSource, ModelEntry
from data.progress import FetchCancelled, Progress

ENTRY = ModelEntry(
    id="a", label="A", base="none", size="0", quantization="none", licence="none", source=FileSource(path=Path("a"))
)
WAIT_S = 10


class Fetch:
    """Reports one progress, then waits to be cancelled or told how to end."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.problem, self.calls, self.go_on = problem, 0, threading.Event()

    def __call__(
        self,
        entry: ModelEntry,
        registry: Mapping[str, ModelEntry],
        *,
        progress: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> Path:
        self.calls += 1
        progress(Progress(model_id=entry.id, stage="download", done_bytes=0, total_bytes=None, note="going on there"))
        progress(Progress(model_id=entry.id, stage="download", done_bytes=5, total_bytes=10))
        while not self.go_on.wait(0.01):
            if cancelled():
                raise FetchCancelled
        if self.problem:
            raise self.problem
        return Path("a.gguf")


def test_a_fetch_shows_its_progress_runs_once_and_ends_quietly() -> None:
    fetch = Fetch()
    downloads = Downloads({"a": ENTRY}, fetch)
    download = downloads.start("a", "me")
    assert downloads.start("a", "you") is download
    assert downloads.running == [download]
    fetch.go_on.set()
    assert download.finished.wait(WAIT_S)
    assert download.progress is not None and download.progress.done_bytes == 5
    assert download.note == "going on there"
    assert (download.problem, fetch.calls, downloads.running) == (None, 1, [])


def test_a_cancelled_fetch_says_that_it_goes_on_later_and_can_be_begun_again() -> None:
    fetch = Fetch()
    downloads = Downloads({"a": ENTRY}, fetch)
    first = downloads.start("a", "me")
    first.cancelled.set()
    assert first.finished.wait(WAIT_S)
    assert first.problem is not None and "fetch again to go on" in first.problem
    fetch.go_on.set()
    second = downloads.start("a", "me")
    assert second.finished.wait(WAIT_S) and second.problem is None


def test_what_goes_wrong_is_one_line_beside_the_model() -> None:
    fetch = Fetch(ModelError("no\nnetwork"))
    fetch.go_on.set()
    downloads = Downloads({"a": ENTRY}, fetch)
    failed, unknown = downloads.start("a", "me"), downloads.start("b", "me")
    assert failed.finished.wait(WAIT_S) and unknown.finished.wait(WAIT_S)
    assert failed.problem == "no network"
    assert "unknown model 'b'" in (unknown.problem or "")
