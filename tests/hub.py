"""A small Hugging Face Hub on loopback: what the real huggingface_hub and datasets clients need to read and write.

It misbehaves on request: cuts or holds a connection, serves other bytes, refuses, redirects. Nothing in it waits for a
clock. The names of data sets start with `datasets/`, those of Spaces with `spaces/`. It has no Xet servers: files go
over plain HTTP and Git LFS, as with every Hub that is not huggingface.co.
"""

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34
LARGE = (".gguf", ".safetensors", ".png")
PREFIXES = {"dataset": "datasets/", "space": "spaces/"}
_CHUNK_BYTES = 16_384
_VERBS = "revision|tree|paths-info|preupload|commit|runtime|variables|secrets|hardware"
_API = re.compile(rf"/api/(?:models/)?(.+?)(?:/({_VERBS})(?:/(.*))?)?")
_FILE = re.compile(r"/(.+)/(resolve|stored)/([^/]+)/(.+)")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a token belongs to, and what it may do."""

    name: str
    role: Literal["read", "write", "fineGrained"] = "write"
    organisations: tuple[str, ...] = ()


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


class Seen(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Hub:
    """State of the server; tests set it while it runs.

    Attributes:
        accounts: Who may write, by token.
        revoked: Tokens that are refused whatever is asked.
        moved: New names of renamed repositories, by the old ones.
        storage: Whether files come from another host, as the Hub's large ones do.
        cut_after: Close the connection after this many bytes of the next download, once.
        hold_after: Stop sending after this many bytes until `go_on` is set.
        served: Bytes to send in place of a file's own, under its own ETag.
        sizes, etags: What to claim of a file when it is looked up, in place of the truth.
        ranges: Whether a download can start in the middle.
        failures: Statuses to answer the next downloads with, one each.
        refusals: Statuses to answer every request with whose method and path hold the key.
        retry_after_s: The header of that name with such answers.
        stored: Content of uploaded large files by sha256, committed or not.
        cut_uploads: Close the connection after this many bytes of the next uploads of large files, one each.
    """

    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    requests: list[Seen] = field(default_factory=list)
    accounts: dict[str, Account] = field(default_factory=dict)
    revoked: tuple[str, ...] = ()
    moved: dict[str, str] = field(default_factory=dict)
    storage: bool = False
    cut_after: int | None = None
    hold_after: int | None = None
    holding: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    served: dict[str, bytes] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    failures: list[int] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    retry_after_s: int | None = None
    stored: dict[str, bytes] = field(default_factory=dict)
    cut_uploads: list[int] = field(default_factory=list)

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


class _Handler(BaseHTTPRequestHandler):
    state: Hub
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms for the acknowledgement of its headers

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (BrokenPipeError, ConnectionResetError):  # who asked has gone
            self.close_connection = True

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.title(): value for name, value in self.headers.items()}
        self.state.requests.append(Seen(self.command, path, headers))
        cut = self.state.cut_uploads.pop(0) if self.command == "PUT" and self.state.cut_uploads else None
        body, refusals = self._body(cut), self.state.refusals.items()
        if cut is not None:
            self.close_connection = True
        elif status := next((status for part, status in refusals if part in f"{self.command} {path}"), None):
            self._end(status)
        elif self._token in self.state.revoked:
            self._end(401, message="Invalid credentials in Authorization header")
        else:
            self._route(path, body)

    do_HEAD = do_POST = do_PUT = do_GET

    def _route(self, path: str, body: bytes) -> None:
        if path == "/api/whoami-v2":
            self._who_am_i()
        elif path in ("/api/models", "/api/models/"):
            self._search(parse_qs(urlsplit(self.path).query))
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":  # as the Hub: a model card starts with front matter
            errors = [] if json.loads(body)["content"].startswith("---\n") else [{"message": "no front matter"}]
            self._json({"errors": errors, "warnings": []}, 400 if errors else 200)
        elif path == "/lfs/verify":
            self._end(200 if json.loads(body)["oid"] in self.state.stored else 404)
        elif self.command == "PUT":
            self.state.stored[sha256(body)] = body
            self._end(200)
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(path.strip("/").removesuffix(".git/info/lfs/objects/batch"), json.loads(body))
        elif match := _API.fullmatch(path):
            self._api(match[1], match[2], match[3] or "main", body)
        elif match := _FILE.fullmatch(path):
            self._resolve(match[1], match[3], match[4], is_open=match[2] == "stored")
        else:
            self._end(404)

    def _api(self, name: str, verb: str | None, rest: str, body: bytes) -> None:
        repo = self._allowed(name)
        if repo is None:
            return
        revision, _, directory = rest.partition("/")
        files = repo.at(revision)
        if files is None:
            self._end(404, "RevisionNotFound")
        elif verb in (None, "revision"):
            self._json(_info(name, repo, files, revision))
        elif verb == "tree":
            entries = _listed(files, directory, recursive="recursive=true" in self.path.lower())
            self._json(entries) if entries or not directory else self._end(404, "EntryNotFound")
        elif verb == "paths-info":
            self._json([_described(path, files[path]) for path in parse_qs(body.decode())["paths"] if path in files])
        elif verb == "runtime":
            stage = repo.stages.pop(0) if len(repo.stages) > 1 else repo.stages[0]
            running = {"current": repo.hardware if stage == "RUNNING" else None, "requested": repo.hardware}
            self._json({"stage": stage, "hardware": running, "sha": repo.commit})
        elif not self._may_write(_owner(name)):
            self._end(403)
        elif verb == "preupload":
            self._json({"files": [_upload_mode(repo, file["path"]) for file in json.loads(body)["files"]]})
        elif verb == "commit":
            self._commit(name, repo, body)
        elif verb == "hardware":
            repo.hardware = json.loads(body)["flavor"]
            self._json({"stage": "BUILDING", "hardware": {"current": None, "requested": repo.hardware}})
        else:
            kept, wanted = repo.variables if verb == "variables" else repo.secrets, json.loads(body)
            kept[wanted["key"]] = wanted["value"]
            self._json({key: {"value": value} for key, value in repo.variables.items()})

    def _who_am_i(self) -> None:
        account = self.state.accounts.get(self._token)
        if account is None:
            self._end(401)
            return
        orgs = [{"name": name} for name in account.organisations]
        token = {"displayName": "t", "role": account.role}
        auth = {"type": "access_token", "accessToken": token}
        self._json({"type": "user", "name": account.name, "orgs": orgs, "auth": auth})

    def _search(self, query: dict[str, list[str]]) -> None:
        """Models of a namespace with all the tags asked for; private ones for their owner's token only."""
        owner, tags = query.get("author", [""])[0], set(query.get("filter", []))
        found = {name: repo for name, repo in self.state.repos.items() if name.startswith(f"{owner}/")}
        self._json(
            [
                _info(name, repo, repo.files, "main")
                for name, repo in found.items()
                if tags <= set(repo.tags) and (repo.access != "private" or self._token == repo.token)
            ]
        )

    def _create(self, wanted: dict[str, Any]) -> None:
        account = self.state.accounts.get(self._token)
        namespace = wanted.get("organization") or (account.name if account else "")
        name = f"{PREFIXES.get(wanted.get('type', ''), '')}{namespace}/{wanted['name']}"
        if account is None:
            self._end(401)
        elif not self._may_write(namespace):
            self._end(403)
        elif name in self.state.repos:
            self._json({"error": "You already created this repo", "url": f"{self.state.url}/{name}"}, 409)
        else:
            self.state.repos[name] = Repo(
                files={".gitattributes": b""},
                access="private" if wanted.get("visibility") == "private" else "public",
                token=self._token,
                sdk=wanted.get("sdk"),
                hardware=wanted.get("hardware") or "cpu-basic",
                variables={each["key"]: each["value"] for each in wanted.get("variables", ())},
                secrets={each["key"]: each["value"] for each in wanted.get("secrets", ())},
            )
            self._json({"url": f"{self.state.url}/{name}"})

    def _batch(self, name: str, wanted: dict[str, Any]) -> None:
        if not self._may_write(_owner(name)):
            self._end(403)
            return
        known = {sha256(content) for content in self.state.repos[name].files.values()} | set(self.state.stored)
        objects = [{"oid": wish["oid"], "size": wish["size"]} for wish in wanted["objects"]]
        for each in objects:
            if each["oid"] not in known:
                upload = {"href": f"{self.state.url}/lfs/objects/{each['oid']}"}
                each["actions"] = {"upload": upload, "verify": {"href": f"{self.state.url}/lfs/verify"}}
        self._json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, repo: Repo, body: bytes) -> None:
        files = dict(repo.files)
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            match line["key"]:
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.state.stored[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        repo.history[repo.commit] = repo.files
        repo.files, repo.commit = files, hashlib.sha1(repo.commit.encode() + body).hexdigest()
        self._json({"commitUrl": f"{self.state.url}/{name}/commit/{repo.commit}", "commitOid": repo.commit})

    def _resolve(self, name: str, revision: str, file: str, *, is_open: bool) -> None:
        repo = self.state.repos[name] if is_open else self._allowed(name)
        if repo is None:
            return
        files = repo.at(revision)
        if files is None:
            self._end(404, "RevisionNotFound")
        elif file not in files:
            self._end(404, "EntryNotFound")
        elif self.command == "GET" and self.state.failures:
            self._end(self.state.failures.pop(0))
        else:
            content = self.state.served.get(file, files[file])
            etag = self.state.etags.get(file, sha256(files[file]))
            size = self.state.sizes.get(file, len(content))
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": repo.commit if revision == "main" else revision}
            if self.state.storage and not is_open:
                elsewhere = self.state.url.replace("127.0.0.1", "localhost")
                headers |= {"Location": elsewhere + self.path.replace("/resolve/", "/stored/")}
                self._end(302, headers=headers | {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(size)})
            else:
                self._send_file(content, headers, size)

    def _send_file(self, content: bytes, headers: Mapping[str, str], claimed_size: int) -> None:
        body, limit = self.command == "GET", None
        if body:  # before the headers go out: what the client does on seeing them counts for the next download
            limit, self.state.cut_after = self.state.cut_after, None
        wanted = self.headers.get("Range") if self.state.ranges else None
        start = int((wanted or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content) - start if body else claimed_size))
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

    @property
    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def _allowed(self, name: str) -> Repo | None:
        """The repository where the request may read it; else the refusal is answered."""
        repo = self.state.repos.get(name)
        if repo is not None and (repo.access == "public" or self._token == repo.token):
            return repo
        if new := self.state.moved.get(name):
            self._end(307, headers={"Location": self.path.replace(name, new)})
        elif repo is not None and repo.access == "gated":
            self._end(403 if self._token else 401, "GatedRepo")
        else:
            self._end(401, "RepoNotFound")  # as the Hub does: whether there is one is not said
        return None

    def _may_write(self, namespace: str) -> bool:
        account = self.state.accounts.get(self._token)
        return account is not None and account.role != "read" and namespace in (account.name, *account.organisations)

    def _end(self, status: int, code: str = "", *, message: str = "", headers: Mapping[str, str] | None = None) -> None:
        """An answer without a body."""
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        if code or message:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", message or code)
        if status in (429, 503) and self.state.retry_after_s is not None:
            self.send_header("Retry-After", str(self.state.retry_after_s))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, content: object, status: int = 200) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _body(self, limit: int | None) -> bytes:
        """What was sent, or its first `limit` bytes."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length if limit is None else min(length, limit))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
            if limit is not None and len(body) >= limit:
                return body[:limit]
        self.rfile.readline()
        return body


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _owner(name: str) -> str:
    """The namespace in a repository's name, whatever its type."""
    return _id(name).partition("/")[0]


def _id(name: str) -> str:
    return name.removeprefix("datasets/").removeprefix("spaces/")


def _info(name: str, repo: Repo, files: dict[str, bytes], revision: str) -> dict[str, object]:
    return {
        "id": _id(name),
        "tags": list(repo.tags),
        "gated": "auto" if repo.access == "gated" else False,
        **({"sdk": repo.sdk} if repo.sdk else {}),
        "sha": repo.commit if revision == "main" else revision,
        "private": repo.access == "private",
        "siblings": [{"rfilename": file} for file in files],
    }


def _described(path: str, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it; large ones are kept under their sha256, the others as Git objects."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
    if path.endswith(LARGE):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 132}
    return entry


def _listed(files: Mapping[str, bytes], directory: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The files and directories in a directory, with those below them where `recursive`."""
    start = f"{directory}/" if directory else ""
    inside = {path.removeprefix(start): content for path, content in files.items() if path.startswith(start)}
    parents = {str(parent) for path in inside for parent in PurePosixPath(path).parents} - {"."}
    directories = [{"type": "directory", "path": start + path, "size": 0, "oid": "0" * 40} for path in sorted(parents)]
    entries = directories + [_described(start + path, content) for path, content in inside.items()]
    return [entry for entry in entries if recursive or "/" not in entry["path"].removeprefix(start)]


def _upload_mode(repo: Repo, path: str) -> dict[str, object]:
    there, is_large = repo.files.get(path), path.endswith(LARGE)
    oid = None if there is None else sha256(there) if is_large else _git_oid(there)
    return {"path": path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False, "oid": oid}


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
