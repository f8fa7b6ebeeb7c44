"""The ladder from its first file to the pick: one candidate on the disk at a time."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from benchmarks.config import Config
from benchmarks.measure.estimate import this_machine
from benchmarks.pick.arms import Arm, Ledger, PickError, measure_arm, open_for_windows, windows_of
from benchmarks.pick.beside import Beside, time_beside
from benchmarks.pick.grade import Grader, s_per_right
from benchmarks.pick.outcome import Outcome, read_outcome
from benchmarks.pick.rule import Budget, Graded, next_asked
from benchmarks.pick.source import Reference, is_made
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
        thorough: Every file is asked, and none is ended early.
        keep: Files stay once they are measured.
    """

    quantizations: tuple[str, ...]
    budget: Budget
    suite: Suite
    text: str | None
    prompts: int
    threads: int
    repetitions: int
    thorough: bool
    keep: bool


def enough_for_an_interval(option: str, count: int) -> int:
    """Refuses one that gives none.

    Raises:
        PickError: Fewer than two.
    """
    if count < 2:
        raise PickError(f"{option} is {count}; an interval needs at least 2")
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

    def is_made(self, quantization: str) -> bool:
        """Whether the candidate is there already."""
        return is_made(self.path(quantization), self.reference.path)

    def check_space(self, quantizations: Sequence[str]) -> None:
        """Refuse a ladder that the disk does not hold: its largest file, or all where they are kept.

        Raises:
            ModelError: Less is free.
        """
        bounds = [size_bound_bytes(self.reference.path, each) for each in quantizations if not self.is_made(each)]
        if bounds:
            needed = sum(bounds) if self.wanted.keep else max(bounds)
            what = f"the {len(bounds)} files, all of which are kept," if self.wanted.keep else "the largest file"
            require_space(self.work, needed, what)

    def make(self, quantization: str) -> Path:
        """The candidate's file, made where it is not there yet.

        Raises:
            ModelError: The disk is too small, or it cannot be quantized.
        """
        path = self.path(quantization)
        if not self.is_made(quantization):
            require_space(self.work, size_bound_bytes(self.reference.path, quantization), path.name)
            partial = path.with_suffix(".tmp")
            quantize_in_child(self.reference.path, partial, quantization, cancelled=never_cancelled)
            partial.replace(path)
        return path

    def drop(self, quantization: str) -> None:
        """Remove a candidate, unless all are kept; never the reference."""
        if not self.wanted.keep and quantization != self.reference.quantization:
            self.path(quantization).unlink(missing_ok=True)


def pick(reference: Reference, wanted: Wanted, work: Path, out: Path, stream: TextIO) -> Outcome:
    """Measure every file, then look at answers from the fastest on; the file that is named stays in `work`.

    Args:
        out: The outcome is saved there as it grows.

    Raises:
        ModelError: The disk is too small, said before anything is made.
    """
    ladder, earlier = Ladder(reference, wanted, work), _earlier(out)
    names = tuple(dict.fromkeys((reference.quantization, *wanted.quantizations)))
    ladder.check_space(names)
    outcome = Outcome(
        name=reference.name,
        reference=reference.quantization,
        suite=wanted.suite.name,
        threads=wanted.threads,
        planned=names,
        budget=wanted.budget,
    )
    for arms in _measured(ladder, names):
        outcome = replace(outcome, arms=arms)
        outcome.save(out)
    for graded, seconds in _graded(ladder, outcome.arms, stream):
        outcome = replace(outcome, graded=graded, s_per_right=seconds)
        outcome.save(out)
    named = outcome.choice.nearest.quantization
    for name in names:
        if name != named:
            ladder.drop(name)
    outcome = replace(outcome, path=str(ladder.make(named)), beside=_beside(ladder, outcome, earlier))
    outcome.save(out)
    return outcome


def _earlier(out: Path) -> Outcome | None:
    try:
        return read_outcome(out)
    except PickError:
        return None


def _beside(ladder: Ladder, outcome: Outcome, earlier: Outcome | None) -> Beside | None:
    """The file that is named and the reference in turns; what is known of the very same figures is kept."""
    named = outcome.choice.nearest.quantization
    if named == outcome.reference:
        return None
    if earlier and earlier.arms == outcome.arms and earlier.beside and earlier.beside.quantization == named:
        return earlier.beside
    wanted = ladder.wanted
    settings = {"threads": wanted.threads, "repetitions": wanted.repetitions}
    return time_beside(named, ladder.path(named), ladder.reference.path, **settings, report=say)


def _graded(
    ladder: Ladder, arms: Sequence[Arm], stream: TextIO
) -> Iterator[tuple[dict[str, Graded], dict[str, float]]]:
    """Answers after each file that is asked: of every one, or only until the choice is made."""
    reference, wanted = ladder.reference, ladder.wanted
    grader = Grader(
        suite=wanted.suite,
        prompts=wanted.prompts,
        threads=wanted.threads,
        directory=ladder.work / "answers",
        candidates=len(arms) - 1,
        early=not wanted.thorough,
        stream=stream,
    )
    graded: dict[str, Graded] = {}
    seconds: dict[str, float] = {}
    by_name = {arm.quantization: arm for arm in arms}
    while name := next_asked(arms, wanted.budget, graded, reference.quantization, every=wanted.thorough):
        say(f"{name}: {wanted.prompts} prompts of {wanted.suite.name}, as the reference is asked")
        graded[name], asked = grader.against(ladder.make(name), reference.path)
        ladder.drop(name)
        found = {each: s_per_right(run, by_name[each]) for each, run in zip((name, reference.quantization), asked)}
        seconds |= {each: value for each, value in found.items() if value is not None}
        yield dict(graded), dict(seconds)


def _measured(ladder: Ladder, names: Sequence[str]) -> Iterator[tuple[Arm, ...]]:
    """All that are known, in the order of the names, after each that is measured."""
    reference, wanted = ladder.reference, ladder.wanted
    with closing(open_for_windows(reference.path, wanted.threads)) as engine:
        windows = windows_of(engine, wanted.suite, wanted.text)
    ledger = Ledger(ladder.work / "arms.jsonl", _key(ladder, windows))
    found = {name: arm for name in names if (arm := ledger.find(name))}
    left = TimeLeft(total=len(names), first=len(found))
    for name in (name for name in names if name not in found):
        say(f"[{len(found) + 1}/{len(names)}] {name}: making and measuring it; {left(len(found)) or 'the first'}")
        path = ladder.make(name)
        settings = {"threads": wanted.threads, "repetitions": wanted.repetitions}
        found[name] = measure_arm(name, path, reference.path, windows, **settings, report=say)
        ledger.add(found[name])
        ladder.drop(name)
        if reference.quantization in found:
            yield tuple(found[each] for each in names if each in found)
    yield tuple(found[name] for name in names)


def _key(ladder: Ladder, windows: Sequence[Sequence[int]]) -> str:
    """What figures depend on besides the quantization."""
    wanted = ladder.wanted
    config = Config(name="pick", models=("any",), suites=(wanted.suite.name,), threads=wanted.threads)
    parts = [ladder.reference.sha256, this_machine(config, [wanted.suite]), wanted.threads, wanted.repetitions, windows]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
