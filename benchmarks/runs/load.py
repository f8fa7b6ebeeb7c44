"""Load curves on disk: `load/NAME.json` beside the runs, written by `benchmarks.load`."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.runs.possible import check_version, is_possible
from benchmarks.runs.read import Run, RunError
from data.files import write_atomically
from data.records import build, read_json

SCHEMA_VERSION = "1.0"
FOLDER = "load"


@dataclass(frozen=True, kw_only=True)
class Level:
    """So many users at once. None where no answer ended.

    Attributes:
        ttft_p50_s, ttft_p95_s: Over the answers, from asking to the first token.
        gap_p50_s, gap_p95_s: From token to token: of the answers' own quantiles the medians.
        tok_per_s_per_user: Median over the answers; tok_per_s: of all users together, unfinished answers included.
        answers_per_hour: Answers of this length at that rate.
        prompt_tokens, answer_tokens: Means.
        errors: Answers that failed.
        noisy: Something else used this machine's processor; None of a server.
    """

    users: int
    seconds: float
    answers: int
    errors: int
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    gap_p50_s: float | None
    gap_p95_s: float | None
    tok_per_s_per_user: float | None
    tok_per_s: float
    answers_per_hour: float | None
    prompt_tokens: float | None
    answer_tokens: float | None
    noisy: bool | None = None


@dataclass(frozen=True, kw_only=True)
class LoadCurve:
    """How one model served more and more users.

    Attributes:
        served_by: The server, whose figures are as seen from here; None of a model on this machine.
        answer_tokens: Asked for of each answer.
        threads: As set; None took what there was.
        at_least: Tokens a second of each user, of which the sentence speaks.
        levels: In the order of their users.
    """

    schema_version: str
    created_at: str
    model: str
    served_by: str | None
    suite: str
    answer_tokens: int
    threads: int | None
    at_least: float
    machine: Mapping[str, Any]
    llama_cpp: Mapping[str, Any] | None
    levels: tuple[Level, ...]

    @property
    def where(self) -> str:
        """The machine, or the server; figures of one place alone are compared."""
        if self.served_by:
            return f"{self.served_by}, as served"
        facts = {"machine": self.machine, "llama_cpp": self.llama_cpp, "config": {"threads": self.threads}}
        return Run(directory=Path(), manifest=facts, rows=()).machine

    @property
    def users(self) -> int:
        """Most users of whom each gets enough, as everybody does at each smaller level; 0 for none."""
        found = 0
        for level in self.levels:
            if (level.tok_per_s_per_user or 0.0) < self.at_least:
                break
            found = level.users
        return found

    @property
    def sentence(self) -> str:
        """Such as "this machine serves 4 users of this model at 10 tok/s each"."""
        return self.said_of(self.model)

    def said_of(self, name: str) -> str:
        """The sentence with another name for the model."""
        who, rate = self.served_by or "this machine", f"at {self.at_least:g} tok/s"
        seen = ", as served" if self.served_by else ""
        if not self.users:
            return f"{who} serves no user of {name} {rate}{seen}"
        more = "at least " if self.users == self.levels[-1].users else ""
        return f"{who} serves {more}{self.users} user{'s' * (self.users > 1)} of {name} {rate} each{seen}"


def write_load(path: Path, curve: LoadCurve) -> None:
    """Raises:
    OSError: It cannot be written.
    """
    write_atomically(path, json.dumps(dataclasses.asdict(curve) | {"sentence": curve.sentence}, indent=1) + "\n")


def read_load(path: Path) -> LoadCurve:
    """Read one file. Keys that are not known, of a newer minor version, are left out.

    Raises:
        RunError: It is no load curve, or of a newer major version; one line.
    """

    def wrong(text: str) -> RunError:
        return RunError(f"{path.name}: {text}")

    found = read_json(path, RunError)
    check_version(str(found.get("schema_version"))[:80], SCHEMA_VERSION, wrong)
    known = {field.name for field in dataclasses.fields(LoadCurve)}
    curve = build(LoadCurve, {key: value for key, value in found.items() if key in known}, wrong)
    numbers = [value for level in curve.levels for value in dataclasses.astuple(level) if value is not None]
    counts = [level.users for level in curve.levels]
    if not counts or sorted(set(counts)) != counts or not all(is_possible(value, "") for value in numbers):
        raise wrong("its levels cannot be: some, in the order of their users, with no figure below 0")
    return curve


def find_loads(directories: Iterable[Path]) -> list[Path]:
    return sorted(path for directory in directories for path in directory.glob(f"{FOLDER}/*.json"))


def latest(curves: Sequence[LoadCurve]) -> dict[str, list[LoadCurve]]:
    """By place, each model's newest curve, in the order of the models' names."""
    newest: dict[tuple[str, str], LoadCurve] = {}
    for curve in sorted(curves, key=lambda each: each.created_at):
        newest[curve.where, curve.model] = curve
    found: dict[str, list[LoadCurve]] = {}
    for (where, _), curve in sorted(newest.items()):
        found.setdefault(where, []).append(curve)
    return found
