"""The ladder from its first file to the pick: one candidate on the disk at a time."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.config import Config
from benchmarks.measure.estimate import this_machine
from benchmarks.pick.arms import Arm, Ledger, PickError, measure_arm, open_for_windows, windows_of
from benchmarks.pick.grade import Grader
from benchmarks.pick.rule import Budget, Graded, choose
from benchmarks.pick.source import Reference
from benchmarks.pick.text import Outcome
from data.command import say
from data.files import require_space
from data.gguf.quantize import quantize_in_child, size_bound_bytes
from data.gguf.types import QUANTIZATIONS
from data.progress import TimeLeft, never_cancelled
from data.records import did_you_mean
from data.suites.prompts import Suite


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command was asked for.

    Attributes:
        text: None takes the suite's own conversations.
        prompts: Graded ones, of the suite.
        keep: Files stay once they are measured.
    """

    quantizations: tuple[str, ...]
    budget: Budget
    suite: Suite
    text: str | None
    prompts: int
    threads: int
    repetitions: int
    keep: bool


def repetitions_of(count: int) -> int:
    """Refuses one that gives no interval.

    Raises:
        PickError: Fewer than two.
    """
    if count < 2:
        raise PickError(f"--repetitions is {count}; an interval needs at least 2")
    return count


def quantizations_of(text: str) -> tuple[str, ...]:
    """Names parted by commas, none twice.

    Raises:
        PickError: An unknown one, or none.
    """
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in QUANTIZATIONS:
            known = ", ".join(QUANTIZATIONS)
            raise PickError(f"--quants: unknown {name!r}; known: {known}{did_you_mean(name, QUANTIZATIONS)}")
    if not names:
        raise PickError("--quants is empty; give at least one, such as q4_0")
    return names


class Ladder:
    """A model's files in a work folder."""

    def __init__(self, reference: Reference, wanted: Wanted, work: Path) -> None:
        self.reference, self.wanted, self.work = reference, wanted, work

    def path(self, quantization: str) -> Path:
        """Where a candidate lies, or would."""
        if quantization == self.reference.quantization:
            return self.reference.path
        return self.work / f"{self.reference.name}.{quantization}.gguf"

    def make(self, quantization: str) -> Path:
        """The candidate's file, made where it is not there.

        Raises:
            ModelError: The disk is too small, or it cannot be quantized.
        """
        path = self.path(quantization)
        if not path.exists():
            require_space(self.work, size_bound_bytes(self.reference.path, quantization), path.name)
            partial = path.with_suffix(".tmp")
            quantize_in_child(self.reference.path, partial, quantization, cancelled=never_cancelled)
            partial.replace(path)
        return path

    def drop(self, quantization: str) -> None:
        """Remove a candidate, unless all are kept; never the reference."""
        if not self.wanted.keep and quantization != self.reference.quantization:
            self.path(quantization).unlink(missing_ok=True)


def pick(reference: Reference, wanted: Wanted, work: Path, stream: TextIO) -> tuple[Outcome, Path]:
    """Measure every file, then look at answers from the fastest on; the file that is named stays in `work`."""
    ladder = Ladder(reference, wanted, work)
    arms = _measured(ladder)
    grader = Grader(
        suite=wanted.suite,
        prompts=wanted.prompts,
        threads=wanted.threads,
        directory=work / "answers",
        candidates=len(arms) - 1,
        stream=stream,
    )

    def grade(arm: Arm) -> Graded | None:
        if arm.quantization == reference.quantization:
            return None
        say(f"{arm.quantization}: {wanted.prompts} prompts of {wanted.suite.name}, as the reference is asked")
        found = grader.against(ladder.make(arm.quantization), reference.path)
        ladder.drop(arm.quantization)
        return found

    choice = choose(arms, wanted.budget, grade)
    for arm in arms:
        if arm is not choice.nearest:
            ladder.drop(arm.quantization)
    path = ladder.make(choice.nearest.quantization)
    return Outcome(reference=reference, arms=arms, choice=choice, suite=wanted.suite.name), path


def _measured(ladder: Ladder) -> list[Arm]:
    reference, wanted = ladder.reference, ladder.wanted
    with closing(open_for_windows(reference.path, wanted.threads)) as engine:
        windows = windows_of(engine, wanted.suite.prompts, wanted.text)
    ledger = Ledger(ladder.work / "arms.jsonl", _key(ladder, windows))
    names = dict.fromkeys((reference.quantization, *wanted.quantizations))
    found = {name: arm for name in names if (arm := ledger.find(name))}
    left = TimeLeft(total=len(names), first=len(found))
    for name in (name for name in names if name not in found):
        say(f"[{len(found) + 1}/{len(names)}] {name}: making and measuring it; {left(len(found)) or 'the first'}")
        path = ladder.make(name)
        settings = {"threads": wanted.threads, "repetitions": wanted.repetitions}
        found[name] = measure_arm(name, path, reference.path, windows, **settings, report=say)
        ledger.add(found[name])
        ladder.drop(name)
    return [found[name] for name in names]


def _key(ladder: Ladder, windows: Sequence[Sequence[int]]) -> str:
    """What figures depend on besides the quantization."""
    wanted = ladder.wanted
    config = Config(name="pick", models=("any",), suites=(wanted.suite.name,), threads=wanted.threads)
    parts = [ladder.reference.sha256, this_machine(config, [wanted.suite]), wanted.threads, wanted.repetitions, windows]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
