"""Models being fetched for the Models page, in the background."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.chat.running import Fetch, one_line
from data.models.entries import ModelEntry
from data.models.registry import get
from data.progress import FetchCancelled, Progress


@dataclass(kw_only=True)
class Download:
    """One fetch. `problem` says why it ended without a file.

    Attributes:
        visitor: Who began it; another visitor cannot cancel it.
        progress: None until the first byte.
        note: The last thing that happened on the way, such as that another source is asked.
    """

    model_id: str
    visitor: str
    progress: Progress | None = None
    note: str | None = None
    problem: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)

    @property
    def running(self) -> bool:
        return not self.finished.is_set()


class Downloads:
    """At most one fetch of each model; what was downloaded before a cancel or a failure is kept and resumed."""

    def __init__(self, registry: Mapping[str, ModelEntry], fetch: Fetch) -> None:
        self._registry, self._fetch = registry, fetch
        self._lock = threading.Lock()
        self._downloads: dict[str, Download] = {}

    def start(self, model_id: str, visitor: str) -> Download:
        """Begin a fetch; one that runs already is returned as it is."""
        with self._lock:
            before = self._downloads.get(model_id)
            if before is not None and before.running:
                return before
            download = self._downloads[model_id] = Download(model_id=model_id, visitor=visitor)
        threading.Thread(target=self._run, args=(download,), name=f"fetch-{model_id}", daemon=True).start()
        return download

    def of(self, model_id: str) -> Download | None:
        return self._downloads.get(model_id)

    @property
    def running(self) -> list[Download]:
        return [each for each in list(self._downloads.values()) if each.running]

    def _run(self, download: Download) -> None:
        def note(progress: Progress) -> None:
            download.progress = progress
            download.note = progress.note or download.note

        try:
            entry = get(self._registry, download.model_id)
            self._fetch(entry, self._registry, progress=note, cancelled=download.cancelled.is_set)
        except FetchCancelled:
            download.problem = "cancelled; what was downloaded is kept, fetch again to go on"
        except Exception as error:  # the thread is the edge: whatever went wrong is shown beside the model
            download.problem = one_line(error)
        finally:
            download.finished.set()
