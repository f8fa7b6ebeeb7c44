"""Quality runs: many prompts of one model at once, which takes a half to a third of the time.

Continuous batching: as soon as a reply ends, the next prompt takes its place. Answers are graded as ever; their timings
are of shared steps, stand under the condition "batched", and never meet those of single answers.
"""

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.config import Config
from benchmarks.engine.contract import EngineError, Finished, Started
from benchmarks.measure.machine_state import Snapshot, noise_between, snapshot
from benchmarks.measure.sample import ModelUnderTest, Reply, request_for, row_of
from benchmarks.measure.schedule import Sample
from benchmarks.runs.read import Row

_STEP_S = 0.5


@dataclass(kw_only=True)
class _Pending:
    """A sample on its way."""

    sample: Sample
    before: Snapshot
    started_at: datetime
    started: Started | None = None


def measure_batched(
    samples: Sequence[Sample], model: ModelUnderTest, config: Config, *, stop: threading.Event | None = None
) -> Iterator[Row]:
    """Make a model's samples, at most `config.batch_sequences` at a time; rows come in the order of their ends.

    What goes wrong is in the row's `error`; nothing is raised.

    Args:
        stop: Once it is set, no further row comes; looked at every half second.
    """
    waiting = deque(samples)
    pending: dict[int, _Pending] = {}
    while (waiting or pending) and not (stop and stop.is_set()):
        while waiting and len(pending) < config.batch_sequences:
            sample = waiting.popleft()
            if not pending:
                model.revive()
            one = _Pending(sample=sample, before=snapshot(model.pid), started_at=datetime.now(UTC))
            if model.engine is None:
                yield _row(one, model, Reply(error=model.error or "the model is not loaded"))
                continue
            try:
                request = request_for(sample, config, model.engine.info.vocabulary_size)
                pending[model.engine.submit(request)] = one
            except EngineError as error:
                yield _row(one, model, Reply(error=str(error)))
        for event in model.engine.step(_STEP_S) if model.engine else ():
            if event.id not in pending:
                continue
            if isinstance(event, Started):
                pending[event.id].started = event
            elif isinstance(event, Finished):
                one = pending.pop(event.id)
                yield _row(one, model, Reply(started=one.started, finished=event, error=event.error))


def _row(one: _Pending, model: ModelUnderTest, reply: Reply) -> Row:
    return row_of(one.sample, model, reply, noise_between(one.before, snapshot(model.pid)), one.started_at)
