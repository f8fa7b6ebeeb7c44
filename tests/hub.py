"""A small Hugging Face Hub on loopback: what the real huggingface_hub client needs to download files.

It misbehaves on request: cuts a connection, holds one until told to go on, serves other bytes, refuses access.
Nothing in it waits for a clock.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
_CHUNK_BYTES = 16_384


@dataclass
class Repo:
    """One repository: its files at `commit`, which `main` names too."""

    files: dict[str, bytes]
    commit: str = COMMIT
    access: Literal["public", "gated", "private"] = "public"
    token: str = "hf_good"


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
        failures: Statuses to answer the next downloads with, one each.
    """

    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    cut_after: int | None = None
    hold_after: int | None = None
    holding: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    served: dict[str, bytes] = field(default_factory=dict)
    failures: list[int] = field(default_factory=list)
    url: str = ""

    def downloads(self) -> list[Seen]:
        """The GET requests for files, in order."""
        return [seen for seen in self.requests if seen.method == "GET" and "/resolve/" in seen.path]


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


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.state.requests.append(Seen(self.command, path, dict(self.headers)))
        try:
            if path.startswith("/api/models/"):
                self._api(path.removeprefix("/api/models/"))
            else:
                self._resolve(path, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _api(self, path: str) -> None:
        name, verb, revision = _split(path, ("/revision/", "/tree/"))
        repo = self._allowed(name)
        if repo is None:
            return
        if revision not in ("main", repo.commit):
            self._refuse(404, "RevisionNotFound")
            return
        files = [
            {"type": "file", "path": file, "size": len(content), "oid": "0" * 40, "lfs": {"oid": _sha256(content)}}
            for file, content in repo.files.items()
        ]
        siblings = [{"rfilename": file} for file in repo.files]
        self._json(files if verb == "/tree/" else {"id": name, "sha": repo.commit, "siblings": siblings})

    def _resolve(self, path: str, body: bool) -> None:
        name, _, rest = _split(path.strip("/"), ("/resolve/",))
        revision, _, file = rest.partition("/")
        repo = self._allowed(name)
        if repo is None:
            return
        if revision not in ("main", repo.commit):
            self._refuse(404, "RevisionNotFound")
        elif file not in repo.files:
            self._refuse(404, "EntryNotFound")
        elif body and self.state.failures:
            self._refuse(self.state.failures.pop(0), None)
        else:
            self._file(repo, repo.files[file], self.state.served.get(file, repo.files[file]), body)

    def _allowed(self, name: str) -> Repo | None:
        repo = self.state.repos.get(name)
        if repo is None:
            self._refuse(401, "RepoNotFound")  # as the Hub does without a token
            return None
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if repo.access == "public" or token == repo.token:
            return repo
        if repo.access == "private":
            self._refuse(401, "RepoNotFound")
        else:
            self._refuse(403 if token else 401, "GatedRepo")
        return None

    def _file(self, repo: Repo, true: bytes, content: bytes, body: bool) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", f'"{_sha256(true)}"')
        self.send_header("X-Repo-Commit", repo.commit)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        if body:
            self._send(content[start:])

    def _send(self, content: bytes) -> None:
        limit, self.state.cut_after = self.state.cut_after, None
        for start in range(0, len(content), _CHUNK_BYTES):
            if limit is not None and start >= limit:
                self.close_connection = True
                return
            if self.state.hold_after is not None and start >= self.state.hold_after:
                self.state.holding.set()
                self.state.go_on.wait(timeout=60)
            self.wfile.write(content[start : start + _CHUNK_BYTES])

    def _refuse(self, status: int, code: str | None) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, content: object) -> None:
        payload = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)


def _split(path: str, separators: tuple[str, ...]) -> tuple[str, str, str]:
    for separator in separators:
        if separator in path:
            left, _, right = path.partition(separator)
            return left, separator, right
    return path, "", ""


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
