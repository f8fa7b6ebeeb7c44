"""Votes kept on the Hub too: a Space forgets its disk at every restart.

`TRADEOFF_VOTES_REPO` names a dataset repository, `HF_TOKEN` may write to it. The file there is `votes.jsonl`,
one vote a line: read back at the start, replaced soon after each vote.
"""

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.arena.vote_store import COLUMNS, Vote, VotesError, VoteStore
from data.errors import ModelError
from data.hub.address import host
from data.hub.network import check_access
from data.settings import VOTES_REPO

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FILE_NAME = "votes.jsonl"
PAUSE_S = 30.0
RETRY_S = (5.0, 30.0, 120.0, 600.0)
"""Pauses after a failed attempt; the last one repeats."""


def banner(environment: Mapping[str, str]) -> str | None:
    """What a visitor of a Space must know before voting; None where votes last."""
    if "SPACE_ID" not in environment or is_configured(environment):
        return None
    return (
        "Votes on this Space vanish when it restarts. Its owner can keep them: set the secret HF_TOKEN, and the "
        f"variable {VOTES_REPO.name}, the name of a dataset repository."
    )


def is_configured(environment: Mapping[str, str]) -> bool:
    return bool(VOTES_REPO.read(environment) and environment.get("HF_TOKEN"))


class VoteBackup:
    """Copies a store to a dataset repository, in the background; the store itself never waits for it.

    Attributes:
        problem: Why the last attempt failed, in one line.
    """

    def __init__(
        self,
        store: VoteStore,
        repo: str,
        token: str,
        *,
        pause_s: float = PAUSE_S,
        retry_s: Sequence[float] = RETRY_S,
    ) -> None:
        self._store, self._repo, self._token = store, repo, token
        self._pause_s, self._retry_s = pause_s, retry_s
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self.problem: str | None = None

    def start(self) -> None:
        """Take back what is on the Hub, then push after each change, until `close`."""
        threading.Thread(target=self._work, name="votes-backup", daemon=True).start()

    def vote_added(self) -> None:
        self._wanted.set()

    def close(self) -> None:
        self._closed.set()
        self._wanted.set()

    def restore(self) -> int:
        """Merge the Hub's votes into the store; returns how many were new."""
        api = self._api()
        if not api.repo_exists(self._repo, repo_type="dataset"):
            api.create_repo(self._repo, repo_type="dataset", private=True, exist_ok=True)
            return 0
        if not api.file_exists(self._repo, FILE_NAME, repo_type="dataset"):
            return 0
        lines = Path(api.hf_hub_download(self._repo, FILE_NAME, repo_type="dataset")).read_text(encoding="utf-8")
        return self._store.merge([_vote(line) for line in lines.split("\n") if line.strip()])

    def push(self) -> None:
        """Replace the file on the Hub by what the store has."""
        lines = "".join(json.dumps(asdict(vote)) + "\n" for vote in self._store.all())
        self._api().upload_file(
            path_or_fileobj=lines.encode(),
            path_in_repo=FILE_NAME,
            repo_id=self._repo,
            repo_type="dataset",
            commit_message="Votes",
        )

    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi

        check_access()  # its error in the client would show it on the page
        return HfApi(endpoint=host(), token=self._token)

    def _work(self) -> None:
        self._until_done(self.restore)  # a push before it would replace votes that were not read
        while not self._closed.is_set():
            self._wanted.wait()
            self._wanted.clear()
            self._until_done(self.push)
            self._closed.wait(self._pause_s)

    def _until_done(self, action: Callable[[], object]) -> None:
        failures = 0
        while not self._closed.is_set() and not self._attempt(action):
            self._closed.wait(self._retry_s[min(failures, len(self._retry_s) - 1)])
            failures += 1

    def _attempt(self, action: Callable[[], object]) -> bool:
        from httpx import HTTPError
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        try:
            action()
        except (VotesError, ModelError, HfHubHTTPError, HTTPError, HFValidationError, OSError, ValueError) as error:
            self.problem = f"votes cannot be kept on the Hub: {' '.join(str(error).split())[:300]}"
            return False
        self.problem = None
        return True


def _vote(line: str) -> Vote:
    fields = json.loads(line)
    return Vote(**{name: fields.get(name) for name in COLUMNS})
