"""The load curve of `benchmarks.load`: users who ask, read the answer, and ask on, more of them at each level."""

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.engine import open_engine
from benchmarks.engine.contract import Delta, Engine, EngineError, Finished, LoadOptions, Request, Sampling
from benchmarks.engine.worker import beside_others
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.machine_state import Counters, noise_between, read_counters
from benchmarks.runs.load import Level
from benchmarks.runs.noise import is_noisy
from data.models.served import is_address
from data.suites.prompts import Prompt
from data.tables import aligned

_STEP_S = 0.1
_LONGEST = 10
"""Times the seconds of a level: so long the first answer of each user is waited for."""
_MOST_FAILURES = 3
"""Of each user, without any answer: then nothing answers there."""
_FEWEST_TOKENS = 8


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer as its user saw it.

    Attributes:
        tok_per_s: From its first token to its last, whatever came between; None of a very short one.
    """

    tokens: int
    prompt_tokens: int | None
    ttft_s: float | None
    gap_p50_s: float | None
    gap_p95_s: float | None
    tok_per_s: float | None


def load_curve(
    path: Path,
    prompts: Sequence[Prompt],
    users: Iterable[int],
    *,
    seconds: float,
    tokens: int,
    context_tokens: int,
    threads: int | None,
    say: Callable[[str], None],
) -> list[Level]:
    """One level after another, each with a fresh engine that has a place for every user.

    Raises:
        EngineError: The model cannot be loaded, or nothing answers.
    """
    levels = []
    for count in users:
        options = LoadOptions(context_tokens=context_tokens, sequences=count, threads=threads, prefill_chunk_tokens=128)
        with closing(_open(path, options)) as engine:
            before = read_counters(engine.pid)
            level = measure_level(engine, endless(prompts, tokens), count, seconds=seconds)
            noisy = None if engine.pid is None else _is_noisy(before, read_counters(engine.pid))
            levels.append(replace(level, noisy=noisy))
        say(f"{count} users: {levels[-1].answers} answers in {levels[-1].seconds:.0f} s")
    return levels


def _is_noisy(before: Counters, after: Counters) -> bool:
    noise = noise_between(before, after)
    return is_noisy(steal_share=noise.steal_share, throttled=noise.throttled, cpu_wait_share=noise.cpu_wait_share)


def _open(path: Path, options: LoadOptions) -> Engine:
    """A server is asked from here, where what it says is clocked as it comes; a model runs as the app serves it."""
    if is_address(path):
        return open_engine("openai", path, options)
    return WorkerEngine(path, options, environment=beside_others())


def endless(prompts: Sequence[Prompt], tokens: int, *, seed: int = 3407) -> Iterator[Request]:
    """The prompts in a seeded order, again and again, each read anew.

    Answers are all of the same length, where the server can be told so: within a level short ones would end first.
    """
    order = random.Random(seed).sample(list(prompts), len(prompts))
    sampling = Sampling(max_tokens=tokens, ignore_eos=True)
    return itertools.cycle([Request(messages=prompt.messages, sampling=sampling, cold=True) for prompt in order])


def measure_level(
    engine: Engine,
    requests: Iterator[Request],
    users: int,
    *,
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> Level:
    """So many users, who all begin at once; what is unfinished at the end is stopped.

    Raises:
        EngineError: Nothing answers; the message is the first failure's.
    """
    _warm_up(engine, next(requests))
    answers: list[Answer] = []
    failures: list[str] = []
    begun = clock()
    written = {engine.submit(next(requests)): 0 for _ in range(users)}  # tokens so far, of each that is unfinished
    while (spent := clock() - begun) < seconds or (len(answers) < users and spent < _LONGEST * seconds):
        for event in engine.step(_STEP_S):
            if isinstance(event, Delta) and event.id in written:
                written[event.id] = event.completion_tokens
            elif isinstance(event, Finished) and event.id in written:
                del written[event.id]
                _note(event, answers, failures, users)
                written[engine.submit(next(requests))] = 0
    spent = clock() - begun
    _stop(engine, written)
    return summed(users, spent, answers, unfinished=sum(written.values()), errors=len(failures))


def _warm_up(engine: Engine, request: Request) -> None:
    """One answer that does not count: weights are read, a connection is made."""
    engine.submit(request)
    while engine.busy:
        engine.step(_STEP_S)


def _note(event: Finished, answers: list[Answer], failures: list[str], users: int) -> None:
    if event.reason != "error":
        answers.append(answer_of(event))
        return
    failures.append(event.error or "an answer failed")
    if not answers and len(failures) >= _MOST_FAILURES * users:
        raise EngineError(failures[0])


def _stop(engine: Engine, unfinished: Iterable[int]) -> None:
    for request_id in unfinished:
        engine.cancel(request_id)
    while engine.busy:
        engine.step(_STEP_S)


def answer_of(event: Finished) -> Answer:
    timings = event.timings
    wrote_s = timings.total_s - timings.ttft_s if timings.total_s and timings.ttft_s else 0.0
    long_enough = event.completion_tokens >= _FEWEST_TOKENS and wrote_s > 0
    return Answer(
        tokens=event.completion_tokens,
        prompt_tokens=timings.prompt_tokens,
        ttft_s=timings.ttft_s,
        gap_p50_s=timings.gap_p50_s,
        gap_p95_s=timings.gap_p95_s,
        tok_per_s=(event.completion_tokens - 1) / wrote_s if long_enough else None,
    )


def summed(users: int, seconds: float, answers: Sequence[Answer], *, unfinished: int = 0, errors: int = 0) -> Level:
    """The figures of one level."""

    def values(name: str) -> list[float]:
        return [value for each in answers if (value := getattr(each, name)) is not None]

    def middle(name: str) -> float | None:
        return statistics.median(values(name)) if values(name) else None

    def mean(name: str) -> float | None:
        return statistics.fmean(values(name)) if values(name) else None

    ttft, length = values("ttft_s"), mean("tokens")
    rate = (sum(each.tokens for each in answers) + unfinished) / seconds
    return Level(
        users=users,
        seconds=seconds,
        answers=len(answers),
        errors=errors,
        ttft_p50_s=middle("ttft_s"),
        ttft_p95_s=float(np.quantile(ttft, 0.95)) if ttft else None,
        gap_p50_s=middle("gap_p50_s"),
        gap_p95_s=middle("gap_p95_s"),
        tok_per_s_per_user=middle("tok_per_s"),
        tok_per_s=rate,
        answers_per_hour=3600 * rate / length if length else None,
        prompt_tokens=mean("prompt_tokens"),
        answer_tokens=length,
    )


def table(levels: Sequence[Level]) -> str:
    head = ["users", "TTFT p50 s", "p95", "token to token p50 ms", "p95", "tok/s each", "tok/s in all"]
    return aligned([[*head, "answers an hour", "answers", "errors", ""], *map(_cells, levels)])


def _cells(level: Level) -> list[str]:
    milliseconds = [None if gap is None else 1000 * gap for gap in (level.gap_p50_s, level.gap_p95_s)]
    return [
        str(level.users),
        *(_shown(value, ".2f") for value in (level.ttft_p50_s, level.ttft_p95_s)),
        *(_shown(value, ".0f") for value in milliseconds),
        _shown(level.tok_per_s_per_user, ".1f"),
        _shown(level.tok_per_s, ".1f"),
        _shown(level.answers_per_hour, ".0f"),
        str(level.answers),
        str(level.errors),
        "noisy" if level.noisy else "",
    ]


def _shown(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}}"
