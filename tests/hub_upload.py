"""What the loopback Hub answers to POST and PUT: accounts, new repositories, large files over Git LFS, commits."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from tests.hub import Hub, Repo

LARGE = (".gguf", ".safetensors", ".png")
PREFIXES = {"dataset": "datasets/", "space": "spaces/"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whom a token belongs to, and what it may do."""

    name: str
    role: Literal["read", "write", "fineGrained"] = "write"
    organisations: tuple[str, ...] = ()


class Uploads(BaseHTTPRequestHandler):
    """Everything but HEAD and GET; `tests.hub` adds those."""

    state: "Hub"
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        path = self._seen()
        body = self._read(None)
        if not self._refused(path):
            self._post(path, body)

    def do_PUT(self) -> None:
        path = self._seen()
        limit = self.state.cut_uploads.pop(0) if self.state.cut_uploads else None
        body = self._read(limit)
        if limit is not None:
            self.close_connection = True
        elif not self._refused(path):
            self.state.stored[sha256(body)] = body
            self.refuse(200, None)

    def who_am_i(self) -> None:
        account = self.state.accounts.get(self.token)
        if account is None:
            self.refuse(401, None)
            return
        self.json(
            {
                "type": "user",
                "name": account.name,
                "orgs": [{"name": name} for name in account.organisations],
                "auth": {"type": "access_token", "accessToken": {"displayName": "t", "role": account.role}},
            }
        )

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def allowed(self, name: str) -> "Repo | None":
        """The repository where the request may read it; else the refusal is answered."""
        raise NotImplementedError

    def refuse(self, status: int, code: str | None) -> None:
        """An answer without a body."""
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def json(self, content: object, status: int = 200) -> None:
        payload = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def _post(self, path: str, body: bytes) -> None:
        if path == "/api/repos/create":
            self._create(json.loads(body))
        elif path.startswith("/api/spaces/") and path.rpartition("/")[2] in ("variables", "secrets", "hardware"):
            self._set_up(path.removeprefix("/api/"), json.loads(body))
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(path.strip("/").removesuffix(".git/info/lfs/objects/batch"), json.loads(body))
        elif path == "/lfs/verify":
            self.refuse(200 if json.loads(body)["oid"] in self.state.stored else 404, None)
        else:
            name, verb, revision = split(
                path.removeprefix("/api/").removeprefix("models/"), ("/preupload/", "/commit/", "/paths-info/")
            )
            repo = self.allowed(name)
            if repo is None:
                return
            files = repo.at(revision)
            if files is None:
                self.refuse(404, "RevisionNotFound")
            elif verb == "/paths-info/":
                self.json([described(path, files[path]) for path in _paths(body) if path in files])
            elif not self._may_write(owner_of(name)):
                self.refuse(403, None)
            elif verb == "/preupload/":
                self._preupload(repo, json.loads(body))
            else:
                self._commit(name, repo, body)

    def _create(self, wanted: dict[str, Any]) -> None:
        account = self.state.accounts.get(self.token)
        namespace = wanted.get("organization") or (account.name if account else "")
        name = f"{PREFIXES.get(wanted.get('type', ''), '')}{namespace}/{wanted['name']}"
        if account is None:
            self.refuse(401, None)
        elif not self._may_write(namespace):
            self.refuse(403, None)
        elif name in self.state.repos:
            self.json({"error": "You already created this repo", "url": f"{self.state.url}/{name}"}, 409)
        else:
            from tests.hub import Repo

            private = wanted.get("visibility") == "private"
            self.state.repos[name] = Repo(
                files={".gitattributes": b""},
                access="private" if private else "public",
                token=self.token,
                sdk=wanted.get("sdk"),
                hardware=wanted.get("hardware") or "cpu-basic",
                variables={each["key"]: each["value"] for each in wanted.get("variables", ())},
                secrets={each["key"]: each["value"] for each in wanted.get("secrets", ())},
            )
            self.json({"url": f"{self.state.url}/{name}"})

    def _set_up(self, path: str, wanted: dict[str, Any]) -> None:
        """A Space's variables, secrets or hardware."""
        name, _, what = path.rpartition("/")
        repo = self.allowed(name)
        if repo is None:
            return
        if not self._may_write(owner_of(name)):
            self.refuse(403, None)
        elif what == "hardware":
            repo.hardware = wanted["flavor"]
            self.json({"stage": "BUILDING", "hardware": {"current": None, "requested": repo.hardware}})
        else:
            kept = repo.variables if what == "variables" else repo.secrets
            kept[wanted["key"]] = wanted["value"]
            self.json({key: {"value": value} for key, value in repo.variables.items()})

    def _validate(self, content: str) -> None:
        """As the Hub: a model card starts with front matter."""
        errors = [] if content.startswith("---\n") else [{"message": "no front matter"}]
        self.json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _preupload(self, repo: "Repo", wanted: dict[str, Any]) -> None:
        answers = []
        for file in wanted["files"]:
            path, there = file["path"], repo.files.get(file["path"])
            oid = None if there is None else sha256(there) if _is_large(path) else _git_oid(there)
            mode = "lfs" if _is_large(path) else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self.json({"files": answers})

    def _batch(self, name: str, wanted: dict[str, Any]) -> None:
        if not self._may_write(owner_of(name)):
            self.refuse(403, None)
            return
        known = {sha256(content) for content in self.state.repos[name].files.values()} | set(self.state.stored)
        actions = {
            "upload": {"href": f"{self.state.url}/lfs/objects/"},
            "verify": {"href": f"{self.state.url}/lfs/verify"},
        }
        objects = []
        for wish in wanted["objects"]:
            answer = {"oid": wish["oid"], "size": wish["size"]}
            if wish["oid"] not in known:
                upload = {"href": actions["upload"]["href"] + wish["oid"]}
                answer["actions"] = actions | {"upload": upload}
            objects.append(answer)
        self.json({"transfer": "basic", "objects": objects})

    def _commit(self, name: str, repo: "Repo", body: bytes) -> None:
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
        self.json({"commitUrl": f"{self.state.url}/{name}/commit/{repo.commit}", "commitOid": repo.commit})

    def _may_write(self, namespace: str) -> bool:
        account = self.state.accounts.get(self.token)
        return account is not None and account.role != "read" and namespace in (account.name, *account.organisations)

    def _seen(self) -> str:
        from tests.hub import Seen

        path = unquote(urlsplit(self.path).path)
        self.state.requests.append(Seen(self.command, path, dict(self.headers)))
        return path

    def _refused(self, path: str) -> bool:
        status = next((status for part, status in self.state.refusals.items() if part in path), None)
        if status is not None:
            self.refuse(status, None)
        return status is not None

    def _read(self, limit: int | None) -> bytes:
        """The body, or its first `limit` bytes."""
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


def owner_of(name: str) -> str:
    """The namespace in a repository's name, whatever its type."""
    return name.removeprefix("datasets/").removeprefix("spaces/").partition("/")[0]


def described(path: str, content: bytes) -> dict[str, Any]:
    """A file as the Hub lists it; large ones are kept under their sha256, the others as Git objects."""
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
    if _is_large(path):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 132}
    return entry


def listed(files: Mapping[str, bytes], directory: str, *, recursive: bool) -> list[dict[str, Any]]:
    """The files and directories in a directory, with those below them where `recursive`."""
    start = f"{directory}/" if directory else ""
    inside = {path.removeprefix(start): content for path, content in files.items() if path.startswith(start)}
    parents = {str(parent) for path in inside for parent in PurePosixPath(path).parents} - {"."}
    directories = [{"type": "directory", "path": start + path, "size": 0, "oid": "0" * 40} for path in sorted(parents)]
    entries = directories + [described(start + path, content) for path, content in inside.items()]
    return [entry for entry in entries if recursive or "/" not in entry["path"].removeprefix(start)]


def split(path: str, separators: tuple[str, ...]) -> tuple[str, str, str]:
    for separator in separators:
        if separator in path:
            left, _, right = path.partition(separator)
            return left, separator, right
    return path, "", ""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _is_large(path: str) -> bool:
    return path.endswith(LARGE)


def _paths(body: bytes) -> list[str]:
    return parse_qs(body.decode())["paths"]
