"""What a machine needs to serve Tradeoff, one look after the other: what is there, and what to do about what is not."""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from app.machine import descriptors
from app.machine.memory import budget_bytes, problem_with_setting
from benchmarks.engine.machine import available_memory_bytes, cpu_quota, usable_threads
from benchmarks.runs.on_disk import load_runs
from data.errors import TradeoffError
from data.files import size_text
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.hub.address import HubError, host
from data.hub.network import check_access
from data.llama_library import choose_variant, cpu_flags, library_dir
from data.models.entries import PyPISource
from data.models.fetch import local_path
from data.models.lock import lock_problem
from data.models.registry import load_registry, project_registry
from data.paths import ROOT, cache_dir, results_directories, state_dir
from data.records import read_json

Verdict = Literal["ok", "note", "mend"]
LEAST_FREE_BYTES, ENOUGH_FREE_BYTES, LEAST_MEMORY_BYTES = 200_000_000, 4_000_000_000, 600_000_000
LEAST_PAGES, PATIENCE_S = 10, 30.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line: ok; a note, where it works without; or what must be mended."""

    verdict: Verdict
    what: str
    says: str

    def __str__(self) -> str:
        return f"{self.verdict:<5} {self.what:<12} {self.says}"


Look = Callable[[], tuple[Verdict, str]]


def examine(looks: Mapping[str, Look]) -> Iterable[Finding]:
    """Each look's finding; what it did not foresee is one too."""
    for what, look in looks.items():
        try:
            verdict, says = look()
        except (TradeoffError, OSError, ValueError, sqlite3.Error, subprocess.SubprocessError) as error:
            verdict, says = "mend", " ".join(str(error).split()) or type(error).__name__
        yield Finding(verdict=verdict, what=what, says=says)


def cpu() -> tuple[Verdict, str]:
    return "ok", f"{choose_variant(cpu_flags())} is the best build that it can run"


def library() -> tuple[Verdict, str]:
    """Loaded in a process of its own: one of the wrong kind ends it."""
    path = library_dir()
    command = [sys.executable, "-c", "import benchmarks.engine.native.weights"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return "mend", f"llama.cpp's {path.name} library does not load ({lines[-1][:200]}); run `make setup`"
    return "ok", f"llama.cpp's {path.name} library loads"


def threads() -> tuple[Verdict, str]:
    quota, cores = cpu_quota(), len(os.sched_getaffinity(0))
    limit = f", a quota of {quota:g}" if quota is not None else ""
    return "ok", f"{usable_threads()} are used of {cores} cores{limit}"


def memory() -> tuple[Verdict, str]:
    if problem := problem_with_setting(os.environ):
        return "mend", problem
    available, budget = available_memory_bytes(), budget_bytes()
    says = f"{size_text(available)} are available, {size_text(budget)} are for models"
    if budget > available:
        return "mend", f"{says}; set TRADEOFF_MEMORY_GB to less, or end what takes it"
    return ("ok", says) if budget >= LEAST_MEMORY_BYTES else ("mend", f"{says}; the smallest model needs 0.6 GB")


def disk() -> tuple[Verdict, str]:
    places = {"cache": cache_dir(), "state": state_dir()}
    for name, place in places.items():
        there = next(parent for parent in (place, *place.parents) if parent.exists())
        if not os.access(there, os.W_OK):
            return "mend", f"the {name} at {place} cannot be written; change its owner, or set TRADEOFF_{name.upper()}"
        places[name] = there
    free = {name: shutil.disk_usage(place).free for name, place in places.items()}
    says = ", ".join(f"{size_text(bytes_)} free for the {name}" for name, bytes_ in free.items())
    if min(free.values()) < LEAST_FREE_BYTES:
        return "mend", f"{says}; make room, or set TRADEOFF_CACHE and TRADEOFF_STATE to another disk"
    if free["cache"] < ENOUGH_FREE_BYTES:
        return "note", f"{says}; few models fit: `python -m data.models cache` lists them"
    return "ok", says


def open_files() -> tuple[Verdict, str]:
    limit = descriptors.raise_limit()
    if problem := descriptors.problem_with(limit):
        return ("note" if descriptors.pages(limit) >= LEAST_PAGES else "mend"), problem
    return "ok", f"ulimit -n is {limit:,}: {descriptors.pages(limit):,} pages can be open at once"


def hub() -> tuple[Verdict, str]:
    """Whether it answers at all; models that are here need none."""
    try:
        check_access()
    except HubError as error:
        return "mend", str(error)
    where = urlsplit(host())
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return "note", f"{where.hostname} is asked through a proxy, which is not tried here"
    try:
        port = where.port or (443 if where.scheme == "https" else 80)
        socket.create_connection((where.hostname or "", port), timeout=5).close()
    except OSError as error:
        return (
            "note",
            f"{where.hostname} does not answer ({error}); set HF_ENDPOINT, or use what is here",
        )
    return "ok", f"{where.hostname} answers"


def index() -> tuple[Verdict, str]:
    """Asked for a package that the registry names."""
    sources = [source for entry in project_registry().values() for source in entry.sources]
    package = next((source.package for source in sources if isinstance(source, PyPISource)), None)
    if package is None:
        return "ok", "no model comes from it"
    command = [sys.executable, "-m", "pip", "index", "versions", "--disable-pip-version-check", package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        return (
            "note",
            f"the package index is silent for {PATIENCE_S:g} s; models that are here work without",
        )
    if done.returncode:
        return (
            "note",
            "the package index does not answer; see `python -m pip config list`; what is here works",
        )
    return "ok", f"the package index knows {package}"


def models() -> tuple[Verdict, str]:
    registry = {model_id: entry for model_id, entry in load_registry().items() if not entry.is_served}
    if problem := lock_problem():
        return "mend", problem
    here = {entry.id: path for entry in registry.values() if (path := local_path(entry, registry))}
    for model, path in here.items():
        try:
            read_model(path)
        except (GGUFError, OSError) as error:
            return "mend", f"{model}: {error}; remove it on the Models page and fetch it again"
    if len(here) < 2:
        return (
            "note",
            f"{len(here)} of {len(registry)} are here; a comparison needs two: `python -m data.models fetch ID`",
        )
    return "ok", f"{len(here)} of {len(registry)} are here and can be read"


def votes() -> tuple[Verdict, str]:
    path = state_dir() / "votes.sqlite"
    if not path.exists():
        return "ok", "none yet"
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=3)) as connection:
            if (found := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                raise sqlite3.DatabaseError(found)
            count = connection.execute("SELECT COUNT(*) FROM votes").fetchone()[0]
    except sqlite3.Error as error:
        return "mend", f"{path}: {error}; move the file away, and a new one is begun"
    return "ok", f"{count:,} can be read"


def shares() -> tuple[Verdict, str]:
    files = sorted((state_dir() / "shared").glob("*.json"))
    broken = [path for path in files if not _is_json(path)]
    if broken:
        return "note", f"{len(broken)} of {len(files):,} are damaged, such as {broken[0]}; move them away"
    return "ok", f"{len(files):,} can be read"


def runs() -> tuple[Verdict, str]:
    found = load_runs(results_directories())
    if found.problems:
        return "note", f"{len(found.problems)} are left out or cut: {found.problems[0]}"
    return "ok", f"{len(found.runs):,} can be read"


def _is_json(path: Path) -> bool:
    try:
        read_json(path, TradeoffError)
    except (TradeoffError, OSError):
        return False
    return True


LOOKS: Mapping[str, Look] = {
    "cpu": cpu,
    "library": library,
    "threads": threads,
    "memory": memory,
    "disk": disk,
    "descriptors": open_files,
    "hub": hub,
    "index": index,
    "models": models,
    "votes": votes,
    "shares": shares,
    "runs": runs,
}
