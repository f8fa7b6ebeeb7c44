"""Ask an engine and wait for its ends: one request, or many with so many at once."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.engine.contract import Engine, EngineError, Finished, Request, Started

STEP_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """How a request went; `error` is one line where there is no answer."""

    started: Started | None = None
    finished: Finished | None = None
    error: str | None = None


def ask(engine: Engine, request: Request) -> Reply:
    """Run one request to its end, alone; what goes wrong is in the reply's `error`."""
    started = None
    try:
        request_id = engine.submit(request)
        while True:
            for event in engine.step(STEP_S):
                if event.id == request_id and isinstance(event, Started):
                    started = event
                elif event.id == request_id and isinstance(event, Finished):
                    return Reply(started=started, finished=event, error=event.error)
    except EngineError as error:
        return Reply(started=started, error=str(error))


def ask_all(
    engine: Engine,
    requests: Sequence[Request],
    *,
    at_once: int | None = None,
    on_end: Callable[[int], None] = lambda done: None,
) -> list[Finished]:
    """Run all requests to their ends, in their order.

    Args:
        at_once: Submitted and unfinished at the most; None submits all at once.
        on_end: Called with the number of those that have ended.

    Raises:
        EngineError: One could not be answered.
    """
    waiting, places = deque(enumerate(requests)), dict[int, int]()
    ends: dict[int, Finished] = {}
    while len(ends) < len(requests):
        while waiting and len(places) - len(ends) < (at_once or len(requests)):
            place, request = waiting.popleft()
            places[engine.submit(request)] = place
        for event in engine.step(STEP_S):
            if isinstance(event, Finished) and event.id in places:
                if event.reason == "error":
                    raise EngineError(event.error or "a reply failed")
                ends[places[event.id]] = event
                on_end(len(ends))
    return [ends[place] for place in range(len(requests))]
