"""A list of prompts over several models, one after the other, in the background."""

import contextlib
import csv
import io
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from app.chat.conversation import lane_requests
from app.chat.generation import GenerationService, Refused
from app.chat.inert import inert_cell
from app.chat.lanes import Lane
from app.chat.suite_prompts import SuitePrompt, find, grade_reply
from benchmarks.analysis.verdict import verdict
from benchmarks.engine.contract import Sampling
from benchmarks.runs.read import Row, Run, RunError
from benchmarks.statistics.stats import median_interval
from data.errors import TradeoffError

POLL_S = 0.1
FORGET_S = 3600.0


@dataclass(kw_only=True)
class ListRun:
    """One list in progress, or finished.

    Attributes:
        replies: Lanes of each prompt that is done, in the list's order.
        problem: Why it ended early.
        seen_at_s: When its visitor last looked.
    """

    prompts: tuple[str, ...]
    model_ids: tuple[str, ...]
    replies: list[tuple[Lane, ...]] = field(default_factory=list)
    problem: str | None = None
    seen_at_s: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)
    finished: threading.Event = field(default_factory=threading.Event)


class ListRuns:
    """At most one list for each visitor; a new one replaces a finished one, and one not looked at for an hour goes."""

    def __init__(self, service: GenerationService, clock: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: dict[str, ListRun] = {}

    def of(self, visitor: str) -> ListRun | None:
        with self._lock:
            self._forget_old()
            if run := self._runs.get(visitor):
                run.seen_at_s = self._clock()
            return run

    def start(
        self,
        visitor: str,
        prompts: Sequence[str],
        model_ids: Sequence[str],
        *,
        system: str,
        sampling: Sequence[Sampling],
        person: str | None = None,
    ) -> ListRun:
        """Begin a list.

        Args:
            person: As in `GenerationService.compare`.

        Raises:
            Refused: The visitor's last list is still running.
        """
        run = ListRun(prompts=tuple(prompts), model_ids=tuple(model_ids), seen_at_s=self._clock())
        with self._lock:
            self._forget_old()
            before = self._runs.get(visitor)
            if before is not None and not before.finished.is_set():
                raise Refused("your last list is still running; stop it or wait for its end")
            self._runs[visitor] = run
        arguments = (visitor, person, run, system, tuple(sampling))
        threading.Thread(target=self._run, args=arguments, name="list", daemon=True).start()
        return run

    def forget(self, visitor: str) -> None:
        """Stop a visitor's list and drop its table."""
        if run := self._runs.pop(visitor, None):
            run.stopped.set()

    def _forget_old(self) -> None:
        now = self._clock()
        for visitor, run in list(self._runs.items()):
            if run.finished.is_set() and now - run.seen_at_s > FORGET_S:
                del self._runs[visitor]

    def _run(self, visitor: str, person: str | None, run: ListRun, system: str, sampling: tuple[Sampling, ...]) -> None:
        try:
            for prompt in run.prompts:
                requests = lane_requests([], prompt, run.model_ids, system=system, sampling=sampling)
                lanes = self._ended(run, self._service.compare(visitor, requests, person=person))
                if lanes is None:
                    return
                run.replies.append(lanes)
                if all(lane.reason == "cancelled" for lane in lanes):
                    run.problem = "stopped: the page was closed, or the comparison was"
                    return
        except TradeoffError as error:
            run.problem = str(error)
        finally:
            run.finished.set()

    def _ended(self, run: ListRun, comparison: str) -> tuple[Lane, ...] | None:
        """Its replies; None once the list was stopped."""
        while True:
            if run.stopped.wait(POLL_S):
                self._service.cancel(comparison)
                return None
            snapshot = self._service.snapshot(comparison, renew=False)  # the visitor's page renews it while it is open
            if snapshot is None or snapshot.done:
                return snapshot.lanes if snapshot else ()


def as_rows(run: ListRun, labels: Mapping[str, str]) -> list[dict[str, object]]:
    """The table: one row a prompt, and for each model its reply, rate and, for a suite's prompt, its grade."""
    rows = []
    for prompt, lanes in zip(run.prompts, run.replies, strict=False):
        row: dict[str, object] = {"prompt": prompt}
        for place, lane in enumerate(lanes):
            name = column_name(run, place, labels)
            grade = grade_reply(prompt, lane.text) if lane.text else None
            row |= {name: lane.text or lane.error or "", f"{name} · {_rate_name(lane)}": lane.decode_tok_per_s}
            row |= {f"{name} · grade": grade.value} if grade else {}
        rows.append(row)
    return rows


def findings(run: ListRun, labels: Mapping[str, str]) -> list[str]:
    """Of each other model against the first: who answers better, with its interval and what could have been seen, where
    the prompts are a suite's; and who decodes faster."""
    graded, names = _as_run(run, labels), [column_name(run, place, labels) for place in range(len(run.model_ids))]
    lines = []
    for place in range(1, len(names)):
        with contextlib.suppress(RunError):  # fewer than two prompts of a suite
            lines.append(verdict(graded, names[place], names[0]).sentence)
        lines += _speed(run, place, names)
    return lines


def _speed(run: ListRun, place: int, names: Sequence[str]) -> list[str]:
    pairs = [(lanes[place], lanes[0]) for lanes in run.replies if len(lanes) > place]
    both = [(a.decode_tok_per_s, b.decode_tok_per_s) for a, b in pairs if not a.as_served and not b.as_served]
    ratios = [mine / first for mine, first in both if mine and first]
    if len(ratios) < 2:
        return []
    found = median_interval(ratios, rng=np.random.default_rng(len(ratios)))
    span = f"[{found.low:.2f}, {found.high:.2f}]"
    return [f"{names[place]} decodes {found.estimate:.2f}× as fast as {names[0]} {span} (n={len(ratios)})."]


def _rate_name(lane: Lane) -> str:
    return "tok/s as served" if lane.as_served else "tok/s"


def _as_run(run: ListRun, labels: Mapping[str, str]) -> Run:
    """The graded replies as a run has them; a column is a model, for one model may be there twice."""
    seen: Counter[str] = Counter()
    rows = []
    for prompt, lanes in zip(run.prompts, run.replies, strict=False):
        if found := find(prompt):
            rows += [
                _row(found, lane, column_name(run, place, labels), seen[prompt]) for place, lane in enumerate(lanes)
            ]
            seen[prompt] += 1
    return Run(directory=Path("list"), manifest={"run_id": "list"}, rows=tuple(rows))


def _row(asked: SuitePrompt, lane: Lane, name: str, repetition: int) -> Row:
    grade = grade_reply(asked.prompt.text, lane.text) if lane.text else None
    return Row(
        model=name,
        model_sha256=name,
        suite=asked.suite,
        prompt_id=asked.prompt.id,
        kind=asked.prompt.kind,
        template=asked.prompt.template,
        condition="batched",  # for its answers: the replies share the processor
        repetition=repetition,
        seed=lane.seed,
        started_at="",
        answer=lane.text,
        grade=grade.value if grade else None,
        truncated=lane.reason == "length",
        error=lane.error,
    )


def column_name(run: ListRun, place: int, labels: Mapping[str, str]) -> str:
    model = run.model_ids[place]
    names = ["prompt", *(labels.get(each, each) for each in run.model_ids)]
    name = labels.get(model, model)
    return f"{name} ({place + 1})" if names.count(name) > 1 else name


def as_csv(rows: Sequence[Mapping[str, object]]) -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, names)
    writer.writeheader()
    for row in rows:
        writer.writerow({key: inert_cell(value) if isinstance(value, str) else value for key, value in row.items()})
    return out.getvalue()
