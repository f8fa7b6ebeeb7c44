"""Wheels for tests, and a Python package index on loopback that pip really asks."""

import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def write_wheel(
    directory: Path, package: str, members: Mapping[str, bytes], *, version: str = "1.0", says: str | None = None
) -> Path:
    """A wheel with these members, and a dependency that no index has; `says` is the version in its metadata."""
    name = package.replace("-", "_")
    path = directory / f"{name}-{version}-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {says or version}\nRequires-Dist: nope\n"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
        wheel.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
        wheel.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{name}-{version}.dist-info/RECORD", "")
    return path


@dataclass
class Index:
    """State of the server: PEP 503 pages of the files in a directory.

    Attributes:
        asked: Names of the files that were asked for, in order.
        held: Files that are not sent before `go_on` is set.
    """

    directory: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    go_on: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serve_index(directory: Path) -> Iterator[Index]:
    """Run an index for the length of the block."""
    index = Index(directory)

    class Handler(_Handler):
        state = index

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield index
    finally:
        index.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    disable_nagle_algorithm = True
    state: Index

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.strip("/").rpartition("/")[2]
        if self.path.startswith("/simple/"):
            files = [path.name for path in self.state.directory.iterdir() if _project(path.name) == name]
            page = "".join(f'<a href="/files/{file}">{file}</a>' for file in files)
            self._answer(f"<!DOCTYPE html><html><body>{page}</body></html>".encode(), "text/html")
            return
        self.state.asked.append(name)
        if name in self.state.held:
            self.state.go_on.wait(timeout=60)
        self._answer((self.state.directory / name).read_bytes(), "application/octet-stream")

    def _answer(self, content: bytes, kind: str) -> None:
        try:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):  # who asked has gone
            return


def _project(file: str) -> str:
    return file.partition("-")[0].replace("_", "-")
