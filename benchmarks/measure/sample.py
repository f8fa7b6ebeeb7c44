"""One sample: ask a model, time it, grade the answer, and make the row, whatever happens."""

import dataclasses
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from benchmarks.config import Config
from benchmarks.engine.ask import Reply
from benchmarks.engine.contract import Request, Sampling, Timings
from benchmarks.graders import grade, visible
from benchmarks.measure.machine_state import Counters, Noise, noise_between, read_counters
from benchmarks.measure.models import ModelUnderTest
from benchmarks.measure.schedule import Trial
from benchmarks.runs.read import AS_SERVED, Row

COLD, WARM = "timed-cold", "warm"


def request_for(trial: Trial, config: Config, vocabulary_size: int) -> Request:
    """The request of one sample; under "timed-cold" the whole prompt is read again."""
    limits = [limit for limit in (config.max_tokens, trial.prompt.max_tokens if trial.prompt else 0) if limit]
    if trial.prompt is None:
        read, written = trial.shape or (config.fixed_prefill_tokens, config.fixed_decode_tokens)
        tokens = np.random.default_rng(trial.seed).integers(0, vocabulary_size, max(1, read))
        timed = Sampling(max_tokens=written + 1, seed=trial.seed, ignore_eos=True)
        return Request(prompt_tokens=tuple(tokens.tolist()), sampling=timed, cold=True)
    messages = trial.prompt.messages
    sampling = Sampling(
        temperature=config.temperature,
        max_tokens=min(limits),
        seed=trial.seed,
        end_loops=config.end_loops,
        template_switches=config.switches,
    )
    return Request(messages=messages, sampling=sampling, cold=trial.condition in (COLD, AS_SERVED))


def measure(
    trial: Trial, model: ModelUnderTest, config: Config, *, look: Callable[[int | None], Counters] = read_counters
) -> Row:
    """Make one sample. What goes wrong is in the row's `error`; nothing is raised."""
    pid = model.pid
    if trial.condition == WARM and model.engine:
        model.ask(_primer(trial, config))
    before, started_at = look(pid), datetime.now(UTC)
    vocabulary_size = model.engine.info.vocabulary_size if model.engine else 1
    reply = model.ask(request_for(trial, config, vocabulary_size))
    return row_of(trial, model, reply, noise_between(before, look(pid)), started_at)


def _primer(trial: Trial, config: Config) -> Request:
    """Brings the prompt into the cache, and nothing else."""
    request = request_for(trial, config, 1)
    return replace(request, sampling=replace(request.sampling, max_tokens=1), cold=True)


def row_of(trial: Trial, model: ModelUnderTest, reply: Reply, noise: Noise, started_at: datetime) -> Row:
    """The graded row of a reply."""
    row: dict[str, Any] = {
        "model": model.id,
        "model_sha256": model.sha256,
        "suite": trial.suite,
        "prompt_id": trial.prompt_id,
        "kind": trial.kind,
        "template": trial.prompt.template if trial.prompt else None,
        "condition": trial.condition,
        "repetition": trial.repetition,
        "seed": trial.seed,
        "started_at": started_at.isoformat(timespec="milliseconds"),
        "pid": model.pid,
    }
    here = {} if model.served else dataclasses.asdict(noise)  # what this machine did took no part of a server's time
    return Row(**row, **_answer(reply, trial), **here)


def _answer(reply: Reply, trial: Trial) -> dict[str, Any]:
    found: dict[str, Any] = {"error": reply.error}
    if reply.started:
        found |= {"prompt_sha256": reply.started.prompt_sha256, "prompt_tokens": reply.started.prompt_tokens}
    if reply.finished is None:
        return found
    timings = reply.finished.timings
    found |= {
        "prompt_tokens": timings.prompt_tokens,
        "finish_reason": reply.finished.reason,
        "truncated": reply.finished.reason == "length" and trial.prompt is not None,
        "completion_tokens": reply.finished.completion_tokens if timings.prompt_tokens is not None else None,
        "note": reply.finished.note,
        "completion_characters": len(reply.finished.text),
        "thinking_characters": len(visible(reply.finished.text).thinking) if trial.prompt else None,
        "answer": reply.finished.text if trial.prompt else None,
        "prefill_tokens": timings.prefill_tokens,
        "prefill_s": timings.prefill_s,
        "decode_tokens": timings.decode_tokens,
        "decode_s": timings.decode_s,
        "ttft_s": timings.ttft_s,
        "total_s": timings.total_s,
        "itl_p50_s": timings.itl_p50_s,
        "itl_p95_s": timings.itl_p95_s,
        "max_batch": timings.max_batch,
    }
    found["error"] = reply.error or _wrong_cache(trial, timings)
    if found["error"] is None and trial.prompt is not None:
        verdict = grade(trial.prompt, reply.finished.text)
        found |= {"grade": verdict.value, "grade_reason": verdict.reason}
    return found


def _wrong_cache(trial: Trial, timings: Timings) -> str | None:
    """What is wrong with what the engine had in its cache; None where it is as the condition says."""
    computed, all_tokens = timings.prefill_tokens, timings.prompt_tokens
    if computed is None or all_tokens is None or trial.condition not in (COLD, WARM):
        return None
    if computed == all_tokens if trial.condition == COLD else computed < max(2, all_tokens):
        return None
    wanted = "warm" if trial.condition == WARM else "cold"
    return f"not {wanted}: {computed} of {all_tokens} prompt tokens were computed; this is a fault of the engine"
