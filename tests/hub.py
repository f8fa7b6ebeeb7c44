"""A small Hugging Face Hub on loopback: what the real huggingface_hub client needs to download and upload files.

It misbehaves on request: cuts a connection, holds one until told to go on, serves other bytes, refuses access.
Nothing in it waits for a clock. Uploads are answered by `tests/hub_upload.py`. The names of data sets start with
`datasets/`, those of Spaces with `spaces/`; `datasets.load_dataset` reads JSONL files from the former.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_upload import Account, Uploads, listed, sha256, split

COMMIT = "c0ffee" + "0" * 34
_CHUNK_BYTES = 16_384


@dataclass
class Repo:
    """One repository: its files at `commit`, which `main` names too, and at the commits before.

    Attributes:
        sdk, hardware, variables, secrets: Of a Space.
        stages: What a Space answers when it is asked how it is, one after another; the last stays.
    """

    files: dict[str, bytes]
    commit: str = COMMIT
    access: Literal["public", "gated", "private"] = "public"
    token: str = "hf_good"
    history: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    sdk: str | None = None
    hardware: str = "cpu-basic"
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=lambda: ["BUILDING", "APP_STARTING", "RUNNING"])

    def at(self, revision: str) -> dict[str, bytes] | None:
        """Files at a commit, or None where there is no such revision."""
        return self.files if revision in ("main", self.commit) else self.history.get(revision)


@dataclass
class Seen:
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """State of the server; tests set it while it runs.

    Attributes:
        cut_after: Close the connection after this many bytes of the next download, once.
        hold_after: Stop sending after this many bytes until `go_on` is set.
        served: Bytes to send in place of a file's own, under its own ETag.
        sizes: Bytes to claim for a file when it is looked up, in place of its own.
        failures: Statuses to answer the next downloads with, one each.
        accounts: Who may write, by token.
        stored: Content of uploaded large files by sha256, committed or not.
        cut_uploads: Close the connection after this many bytes of the next uploads of large files, one each.
        refusals: Statuses to answer every POST or PUT with whose path holds the key.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    cut_after: int | None = None
    hold_after: int | None = None
    holding: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    served: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    cut_uploads: list[int] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    url: str = ""

    def downloads(self) -> list[Seen]:
        """The GET requests for files, in order."""
        return [seen for seen in self.requests if seen.method == "GET" and "/resolve/" in seen.path]

    def uploads(self) -> list[str]:
        """The sha256 of each large file that was sent, in order, cut ones too."""
        return [seen.path.rpartition("/")[2] for seen in self.requests if seen.method == "PUT"]


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Run a Hub for the length of the block."""
    hub = Hub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(Uploads):
    state: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.state.requests.append(Seen(self.command, path, dict(self.headers)))
        try:
            if path == "/api/whoami-v2":
                self.who_am_i()
            elif path in ("/api/models", "/api/models/"):
                self._search(parse_qs(urlsplit(self.path).query))
            elif path.startswith("/api/spaces/") and path.endswith("/runtime"):
                self._runtime(path.removeprefix("/api/").removesuffix("/runtime"))
            elif path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"))
            elif path.startswith(("/api/datasets/", "/api/spaces/")):
                self._api(path.removeprefix("/api/"))
            else:
                self._resolve(path, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _api(self, path: str) -> None:
        name, verb, rest = split(path, ("/revision/", "/tree/"))
        repo = self.allowed(name)
        if repo is None:
            return
        revision, _, directory = (rest or "main").partition("/")
        files = repo.at(revision)
        if files is None:
            self.refuse(404, "RevisionNotFound")
        elif verb == "/tree/":
            entries = listed(files, directory, recursive="recursive=true" in self.path.lower())
            self.json(entries) if entries or not directory else self.refuse(404, "EntryNotFound")
        else:
            self.json(self._info(name, repo, files, revision))

    def _search(self, query: dict[str, list[str]]) -> None:
        """Models of a namespace with all the tags asked for; private ones for their owner's token only."""
        owner, tags = query.get("author", [""])[0], set(query.get("filter", []))
        self.json(
            [
                self._info(name, repo, repo.files, "main")
                for name, repo in self.state.repos.items()
                if name.startswith(f"{owner}/")
                and tags <= set(repo.tags)
                and (repo.access != "private" or self.token == repo.token)
            ]
        )

    def _runtime(self, name: str) -> None:
        repo = self.allowed(name)
        if repo is None:
            return
        stage = repo.stages.pop(0) if len(repo.stages) > 1 else repo.stages[0]
        running = {"current": repo.hardware if stage == "RUNNING" else None, "requested": repo.hardware}
        self.json({"stage": stage, "hardware": running, "sha": repo.commit})

    def _info(self, name: str, repo: Repo, files: dict[str, bytes], revision: str) -> dict[str, object]:
        return {
            "id": name.removeprefix("datasets/").removeprefix("spaces/"),
            "tags": list(repo.tags),
            "gated": "auto" if repo.access == "gated" else False,
            **({"sdk": repo.sdk} if repo.sdk else {}),
            "sha": repo.commit if revision == "main" else revision,
            "private": repo.access == "private",
            "siblings": [{"rfilename": file} for file in files],
        }

    def _resolve(self, path: str, body: bool) -> None:
        name, _, rest = split(path.strip("/"), ("/resolve/",))
        revision, _, file = rest.partition("/")
        repo = self.allowed(name)
        if repo is None:
            return
        files = repo.at(revision)
        if files is None:
            self.refuse(404, "RevisionNotFound")
        elif file not in files:
            self.refuse(404, "EntryNotFound")
        elif body and self.state.failures:
            self.refuse(self.state.failures.pop(0), None)
        else:
            commit = repo.commit if revision == "main" else revision
            content = self.state.served.get(file, files[file])
            self._file(commit, files[file], content, body, size=self.state.sizes.get(file, len(content)))

    def allowed(self, name: str) -> Repo | None:
        repo = self.state.repos.get(name)
        if repo is None:
            self.refuse(401, "RepoNotFound")  # as the Hub does without a token
            return None
        token = self.token
        if repo.access == "public" or token == repo.token:
            return repo
        if repo.access == "private":
            self.refuse(401, "RepoNotFound")
        else:
            self.refuse(403 if token else 401, "GatedRepo")
        return None

    def _file(self, commit: str, true: bytes, content: bytes, body: bool, *, size: int) -> None:
        limit = None
        if body:  # before the headers go out: what the client does on seeing them counts for the next download
            limit, self.state.cut_after = self.state.cut_after, None
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{sha256(true)}"')
        self.send_header("X-Repo-Commit", commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start if body else size))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            self._send(content[start:], limit)

    def _send(self, content: bytes, limit: int | None) -> None:
        for start in range(0, len(content), _CHUNK_BYTES):
            if limit is not None and start >= limit:
                self.close_connection = True
                return
            if self.state.hold_after is not None and start >= self.state.hold_after:
                self.state.holding.set()
                self.state.go_on.wait(timeout=60)
            self.wfile.write(content[start : start + _CHUNK_BYTES])
