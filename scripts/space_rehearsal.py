"""Build and start the Space as its Dockerfile says, without Docker: every stage in a root file system of debootstrap.

    sudo .venv-test/bin/python scripts/space_rehearsal.py [--work DIR] [--port 8599]

Stages the files that `app.deploy` would send, runs each instruction of the Dockerfile as the user that it names, starts
its CMD as a Space does (SPACE_ID set, two cores), waits for the health check, and sends a prompt from Chromium. Prints
what each part took, as JSON on the last line. Needs root, debootstrap and a Debian mirror; nothing is left running.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from app.space.staging import stage

# What python:3.11-slim-bookworm has, from Debian's own packages; python-is-python3 gives the name `python`.
BASE = "python:3.11-slim-bookworm"
PACKAGES = "python3,python3-venv,python3-pip,python-is-python3,ca-certificates"
# How this machine reaches package indexes; no part of the image that a builder makes.
FROM_HOST = ("/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt")
HOST_VARIABLES = re.compile(
    r"(?i)(https?_proxy|no_proxy|pip_(index_url|cert|default_timeout)|ssl_cert_file|requests_ca_bundle)"
)
SPACE = {"SPACE_ID": "you/tradeoff", "SPACE_HOST": "localhost", "CPU_CORES": "2", "MEMORY": "16Gi"}


@dataclass(kw_only=True)
class Stage:
    """A file system in the making."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    directory: str = "/"
    command: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, help="kept afterwards, its base used again; default: a temporary directory"
    )
    parser.add_argument("--port", type=int, default=8599)
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        raise SystemExit("space_rehearsal: needs root and debootstrap (apt-get install debootstrap)")
    work = arguments.work or Path(tempfile.mkdtemp(prefix="tradeoff-space-"))
    took: dict[str, float] = {}
    try:
        last = build(work, took)
        start_and_ask(last, arguments.port, took)
        took["image_mb"] = round(_disk_bytes(last.root) / 1e6)
    finally:
        if arguments.work is None:
            shutil.rmtree(work, ignore_errors=True)
    print(json.dumps(took))
    return 0


def build(work: Path, took: dict[str, float]) -> Stage:
    """Run the Dockerfile's stages; returns the last."""
    context, base = work / "context", work / "base"
    shutil.rmtree(context, ignore_errors=True)
    stage(context)
    if not base.exists():
        with timed("debootstrap_s", took):
            run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(base)])
            lend(base)
    stages: dict[str, Stage] = {}
    current: Stage | None = None
    for place, (name, rest) in enumerate(instructions((context / "Dockerfile").read_text())):
        if name == "FROM":
            current = begin(base, work, rest, stages)
            continue
        assert current is not None, "a Dockerfile starts with FROM"
        print(f"{name} {rest[:100]}", flush=True)
        with timed(f"{place:02d} {name} {rest[:40]}", took):
            follow(current, name, rest, context, stages)
    assert current is not None
    took["build_s"] = round(sum(seconds for key, seconds in took.items() if key[0].isdigit()), 1)
    return current


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Name and arguments of each instruction, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        yield name.upper(), rest.strip()


def begin(base: Path, work: Path, rest: str, stages: dict[str, Stage]) -> Stage:
    image, _, name = rest.partition(" AS ")
    if image != BASE:
        raise SystemExit(f"space_rehearsal: FROM {image}: this knows {BASE} only")
    root = work / f"stage-{name or 'final'}"
    shutil.rmtree(root, ignore_errors=True)
    run(["cp", "-a", "--reflink=auto", str(base), str(root)])
    stages[name or "final"] = Stage(root=root)
    return stages[name or "final"]


def follow(current: Stage, name: str, rest: str, context: Path, stages: dict[str, Stage]) -> None:
    match name:
        case "ARG":
            argument, _, default = rest.partition("=")
            current.environment.setdefault(argument, os.environ.get(argument, default))
        case "ENV":
            pairs = (pair.split("=", 1) for pair in shlex.split(rest))
            current.environment |= {key: Template(value).safe_substitute(current.environment) for key, value in pairs}
        case "WORKDIR":
            current.directory = rest
            (current.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            current.user = rest
        case "RUN":
            run(inside(current, rest))
        case "COPY":
            copy(current, shlex.split(rest), context, stages)
        case "CMD":
            current.command = json.loads(rest)
        case "EXPOSE" | "HEALTHCHECK":
            pass
        case _:
            raise SystemExit(f"space_rehearsal: instruction {name} is not known here")


def copy(current: Stage, words: list[str], context: Path, stages: dict[str, Stage]) -> None:
    options = {word.partition("=")[0]: word.partition("=")[2] for word in words if word.startswith("--")}
    *sources, target = [word for word in words if not word.startswith("--")]
    origin = stages[options["--from"]].root if "--from" in options else context
    goal = current.root / (Path(current.directory) / target).as_posix().lstrip("/")
    for source in sources:
        path = origin / source.lstrip("/")
        (goal if path.is_dir() or target.endswith("/") else goal.parent).mkdir(parents=True, exist_ok=True)
        run(["cp", "-a", f"{path}/." if path.is_dir() else str(path), str(goal)])
    owner = options.get("--chown", "root:root")
    run(["chroot", str(current.root), "chown", "-R", owner, f"/{goal.relative_to(current.root)}"])


def inside(current: Stage, command: str, more: dict[str, str] | None = None) -> list[str]:
    """The command in the stage's root, as its user, with namespaces of its own that end with it."""
    lent = {key: value for key, value in os.environ.items() if HOST_VARIABLES.fullmatch(key)}
    path = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root"}
    variables = [f"{key}={value}" for key, value in {**path, **lent, **current.environment, **(more or {})}.items()]
    root = shlex.quote(str(current.root))
    chroot = ["chroot", f"--userspec={current.user}:{current.user}", str(current.root), "env", "-i", *variables]
    chroot += ["sh", "-c", f"cd {shlex.quote(current.directory)} && {command}"]
    mounts = f"mount -t proc proc {root}/proc && mount -t tmpfs tmpfs {root}/dev/shm"
    return [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        f"{mounts} && exec {shlex.join(chroot)}",
    ]


def start_and_ask(last: Stage, port: int, took: dict[str, float]) -> None:
    """Start as a Space does, and be its first visitor."""
    command = [str(port) if word == "8501" else word for word in last.command]
    server = subprocess.Popen(inside(last, f"exec {shlex.join(command)}", SPACE), start_new_session=True)
    try:
        with timed("cold_start_s", took):
            wait_until_healthy(f"http://localhost:{port}/_stcore/health", server)
        first_reply(f"http://localhost:{port}", took)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_until_healthy(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urlopen(url, timeout=2) as answer:
                if answer.read() == b"ok":
                    return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("space_rehearsal: the Space does not answer its health check")


def first_reply(url: str, took: dict[str, float]) -> None:
    """From opening the page to the first words of both models, and to their end."""
    from playwright.sync_api import sync_playwright

    growing = "[...document.querySelectorAll('[data-testid=stText]')].filter(e => e.innerText.trim()).length >= 2"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page()
        with timed("page_s", took):
            page.goto(url)
            page.get_by_test_id("stChatInputTextArea").wait_for(timeout=120_000)
        assert page.get_by_role("link", name="Benchmark").count() == 0, "a Space's visitor is no operator"
        page.get_by_test_id("stChatInputTextArea").fill("What is the capital of France?")
        with timed("first_words_s", took):
            page.get_by_test_id("stChatInputSubmitButton").click()
            page.wait_for_function(growing, timeout=120_000)
        with timed("replies_s", took):
            page.get_by_role("button", name="Regenerate").wait_for(timeout=120_000)
        print(" | ".join(text.inner_text() for text in page.get_by_test_id("stText").all()), flush=True)
        browser.close()


def lend(base: Path) -> None:
    for name in FROM_HOST:
        if (source := Path(name)).exists():
            target = base / name.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            run(["cp", "-rL", f"{source}/." if source.is_dir() else str(source), str(target)])


@contextmanager
def timed(name: str, took: dict[str, float]) -> Iterator[None]:
    started = time.monotonic()
    yield
    took[name] = round(time.monotonic() - started, 1)


def run(command: list[str]) -> None:
    if subprocess.run(command).returncode:
        raise SystemExit(f"space_rehearsal: failed: {shlex.join(command)[:600]}")


def _disk_bytes(root: Path) -> int:
    return int(subprocess.run(["du", "-sxb", str(root)], capture_output=True, text=True, check=True).stdout.split()[0])


if __name__ == "__main__":
    sys.exit(main())
