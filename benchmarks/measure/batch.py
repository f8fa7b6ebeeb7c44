"""Quality runs: many prompts of one model at once, which takes a half to a third of the time.

Continuous batching: as soon as a reply ends, the next prompt takes its place. Answers are graded as ever; their timings
are of shared steps, stand under the condition "batched", and never meet those of single answers.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.config import Config
from benchmarks.engine.ask import Reply
from benchmarks.engine.contract import EngineError, Finished, Started
from benchmarks.measure.machine_state import Counters, noise_between, read_counters
from benchmarks.measure.models import MAX_RESTARTS, ModelUnderTest
from benchmarks.measure.sample import request_for, row_of
from benchmarks.measure.schedule import Trial
from benchmarks.runs.read import Row

_STEP_S = 0.5


@dataclass(kw_only=True)
class _Pending:
    """A sample on its way."""

    trial: Trial
    before: Counters
    started_at: datetime
    started: Started | None = None


def measure_batched(
    trials: Sequence[Trial],
    model: ModelUnderTest,
    config: Config,
    *,
    stop: threading.Event | None = None,
    needless: Callable[[Trial], bool] = lambda trial: False,
) -> Iterator[Row]:
    """Make a model's samples, at most `config.batch_sequences` at a time; rows come in the order of their ends.

    What goes wrong is in the row's `error`; nothing is raised. Where the worker dies, nobody knows which of the prompts
    in flight killed it: each is asked again alone, and only the one that kills it again goes without an answer.

    Args:
        needless: Asked before each trial begins; True leaves it out.
        stop: Once it is set, no further row comes; looked at every half second.
    """
    waiting, suspects = deque(trials), deque[Trial]()
    pending: dict[int, _Pending] = {}
    model.patience = MAX_RESTARTS + config.batch_sequences  # every prompt in flight may be a deadly one
    while (waiting or suspects or pending) and not (stop and stop.is_set()):
        if suspects and not pending:
            yield _ask_alone(suspects.popleft(), model, config)
            continue
        if not pending:
            model.revive()
        while waiting and len(pending) < config.batch_sequences and not suspects:
            if needless(waiting[0]):
                waiting.popleft()
                continue
            one = _Pending(trial=waiting.popleft(), before=read_counters(model.pid), started_at=datetime.now(UTC))
            if model.engine is None:
                yield _row(one, model, Reply(error=model.error or "the model is not loaded"))
                continue
            try:
                request = request_for(one.trial, config, model.engine.info.vocabulary_size)
                pending[model.engine.submit(request)] = one
            except EngineError as error:
                if model.dead:
                    suspects.append(one.trial)
                else:
                    yield _row(one, model, Reply(error=str(error)))
        for event in model.engine.step(_STEP_S) if model.engine else ():
            if event.id not in pending:
                continue
            if isinstance(event, Started):
                pending[event.id].started = event
            elif isinstance(event, Finished):
                one = pending.pop(event.id)
                if event.reason == "error" and model.dead:
                    suspects.append(one.trial)
                    continue
                reply = Reply(started=one.started, finished=event, error=event.error)
                model.note_answer(reply)
                yield _row(one, model, reply)


def _ask_alone(trial: Trial, model: ModelUnderTest, config: Config) -> Row:
    model.revive()
    one = _Pending(trial=trial, before=read_counters(model.pid), started_at=datetime.now(UTC))
    size = model.engine.info.vocabulary_size if model.engine else 1
    return _row(one, model, model.ask(request_for(trial, config, size)))


def _row(one: _Pending, model: ModelUnderTest, reply: Reply) -> Row:
    return row_of(one.trial, model, reply, noise_between(one.before, read_counters(model.pid)), one.started_at)
