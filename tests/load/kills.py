"""Everything that writes, killed in the middle: what it had confirmed is there, and what is there can be read.

    python -m tests.load.kills [--cycles 20] [--seed 1] [WRITER...]

A cycle starts a process that writes and confirms each thing over a pipe, kills it (SIGKILL) after a time drawn from
the first twentieth of a second, reads everything back, and begins again on the same files, fifty times. The last line
is JSON.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from app.arena.vote_store import Vote, VoteStore
from app.chat import shares as shared
from app.chat.shares import Shares
from benchmarks.runs.on_disk import load_runs
from benchmarks.runs.read import Row, read_run
from benchmarks.runs.write import RunWriter, write_manifest
from data.files import sha256_of
from data.models.added import save_added
from data.models.entries import FileSource, ModelEntry
from data.models.lock import Pin, lock_problem, read_pin, write_pin
from data.models.registry import load_registry, project_registry
from data.paths import ROOT
from data.records import parse_json

MOST_S, A_CYCLE, A_FOLDER = 0.05, 10**6, 50
SMOKE = ROOT / "benchmarks" / "results" / "smoke-20261124-023507"
Confirmed = Iterator[str]


def write_votes(folder: Path, first: int) -> Confirmed:
    store = VoteStore(folder / "votes.sqlite")
    while True:
        store.add(Vote(battle_id=str(first), model_a="a", model_b="b", outcome="a"))
        yield str(first)
        first += 1


def read_votes(folder: Path) -> set[str]:
    return {vote.battle_id for vote in VoteStore(folder / "votes.sqlite").all()}


def write_shares(folder: Path, first: int) -> Confirmed:
    store = Shares(folder)
    while True:
        yield store.store({"turns": [{"prompt": "x" * 5000, "system": None, "replies": []}]}).id


def read_shares(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.json") if Shares(folder).load(path.stem)}


def write_added(folder: Path, first: int) -> Confirmed:
    """The whole list again with one more, as the page does."""
    shipped = project_registry()
    kept = [entry for name, entry in load_registry().items() if name not in shipped]
    while True:
        name = f"added-{first}"
        source = FileSource(path=folder / "none.gguf")
        facts = {"label": name, "base": "x", "size": "1", "quantization": "x", "licence": "x"}
        kept = [*kept[-20:], ModelEntry(id=name, source=source, **facts)]  # type: ignore[arg-type]
        save_added(kept)
        yield name
        first += 1


def read_added(folder: Path) -> set[str]:
    return set(load_registry())


def write_lock(folder: Path, first: int) -> Confirmed:
    registry = project_registry()
    entries = [entry for entry in registry.values() if not isinstance(entry.source, FileSource)]
    while True:
        write_pin(entries[first % len(entries)], registry, Pin(sha256=f"{first:064x}"))
        yield f"{first % len(entries)}"
        first += 1


def read_lock(folder: Path) -> set[str]:
    assert lock_problem() is None, lock_problem()
    registry = project_registry()
    entries = [entry for entry in registry.values() if not isinstance(entry.source, FileSource)]
    return {str(number) for number, entry in enumerate(entries) if read_pin(entry, registry)}


def write_run(folder: Path, first: int) -> Confirmed:
    manifest = json.loads((SMOKE / "run.json").read_text())
    row = read_run(SMOKE).rows[0]
    with RunWriter(folder / "run") as writer:
        write_manifest(folder / "run", manifest)
        while True:
            changed: dict[str, Any] = {**vars(row), "prompt_id": str(first)}
            writer.write(Row(**changed))
            yield str(first)
            if first % 10 == 0:
                write_manifest(folder / "run", manifest)
            first += 1


def read_run_again(folder: Path) -> set[str]:
    found = load_runs([folder])
    assert not found.problems, found.problems
    return {row.prompt_id for run in found.runs for row in run.rows}


def write_sums(folder: Path, first: int) -> Confirmed:
    """Sums that are remembered are right, whenever the process ended."""
    while True:
        path = folder / f"{first % 50}.bin"
        path.write_bytes(b"%d" % (first % 50))
        sha256_of(path)
        yield path.name
        first += 1


def read_sums(folder: Path) -> set[str]:
    for path in (Path(os.environ["TRADEOFF_CACHE"]) / "checksums").glob("*.json"):
        parse_json(path.read_text(), path.name, ValueError)  # type: ignore[arg-type]
    return {path.name for path in folder.glob("*.bin")}


WRITERS: dict[str, tuple[Callable[[Path, int], Confirmed], Callable[[Path], set[str]]]] = {
    "votes": (write_votes, read_votes),
    "shares": (write_shares, read_shares),
    "added models": (write_added, read_added),
    "lock file": (write_lock, read_lock),
    "runs": (write_run, read_run_again),
    "checksums": (write_sums, read_sums),
}


def killed(write: Callable[[Path, int], Confirmed], folder: Path, first: int, after_s: float) -> list[str]:
    """What a process had confirmed when it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            for name in write(folder, first):
                os.write(writing, f"{name}\n".encode())
        except BaseException:
            traceback.print_exc()
        os._exit(1)  # it is to be killed, not to end
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.readline()  # the clock runs from the first one on
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        said += pipe.read()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the writer failed by itself"
    return said.decode().split()


def kill_again_and_again(writer: str, folder: Path, cycles: int, seed: int) -> dict[str, int]:
    """Raises:
    AssertionError: Something that was confirmed is lost, or something cannot be read.
    """
    write, read = WRITERS[writer]
    rng, confirmed = random.Random(seed), 0
    for cycle in range(cycles):
        if cycle % A_FOLDER == 0:
            place = folder / str(cycle // A_FOLDER)
            place.mkdir()
        names = killed(write, place, cycle * A_CYCLE, rng.random() * MOST_S)
        confirmed += len(names)
        kept = set(names[-20:]) if writer == "added models" else set(names)
        if lost := kept - read(place):
            raise AssertionError(f"{writer}: {len(lost)} of {len(names)} are lost in cycle {cycle}: {sorted(lost)[:3]}")
    return {"cycles": cycles, "confirmed": confirmed}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("writers", nargs="*", metavar="WRITER", help=f"one of: {', '.join(WRITERS)}; default: all")
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    shared.MAX_PER_HOUR, shared.MAX_SHARES = 10**9, 10**9
    found = {}
    for writer in options.writers or WRITERS:
        with tempfile.TemporaryDirectory() as folder:
            os.environ |= {"TRADEOFF_STATE": f"{folder}/state", "TRADEOFF_CACHE": f"{folder}/cache"}
            (Path(folder) / "made").mkdir()
            found[writer] = kill_again_and_again(writer, Path(folder) / "made", options.cycles, options.seed)
            print(writer, found[writer], file=sys.stderr, flush=True)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
