"""The passes of `benchmarks.answers_per_hour`: ours, the reference's and llama-batched-bench's, and their figures."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.engine.ask import ask_all
from benchmarks.engine.contract import EngineError, LoadOptions, Request, Sampling
from benchmarks.engine.worker import worker_environment
from benchmarks.engine.worker_engine import WorkerEngine
from data.errors import SuiteError
from data.message import Message
from data.paths import ROOT
from data.suites.prompts import Prompt, Suite, balanced
from data.tables import markdown

REPLY_TOKENS = 128
CONTEXT_TOKENS = 1024
_REFERENCE = ROOT / "scripts" / "reference_completion.py"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """One pass over the prompts: wall seconds, tokens of prompts, those not found in the cache, and tokens written."""

    seconds: float
    prompt_tokens: int
    completion_tokens: int
    prefill_tokens: int | None = None


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Medians over the rounds; ratios are medians of rounds that ran next to each other.

    Attributes:
        prompts, sequences, threads: Of each pass; prompts at once; of both sides.
        answers_per_hour: Of a quality pass. `alone_per_hour`: one at a time through `create_chat_completion`.
        tok_per_s: Written tokens per wall second of a quality pass.
        batched_bench_tok_per_s: The same of llama-batched-bench; None where it was not run.
    """

    id: str
    prompts: int
    sequences: int
    threads: int
    answers_per_hour: float
    alone_per_hour: float
    gain: float
    tok_per_s: float
    batched_bench_tok_per_s: float | None
    ratio_to_batched_bench: float | None
    ours: tuple[Pass, ...]
    alone: tuple[Pass, ...]
    batched_bench: tuple[Pass, ...]


def different_prompts(suite: Suite, prompts: int, rounds: int) -> list[tuple[Prompt, ...]]:
    """So many prompts for each round, none of them in two: a prompt that was read before would be in the cache.

    Raises:
        SuiteError: The suite has too few.
    """
    chosen = balanced(suite.prompts, prompts * rounds)
    if len(chosen) < prompts * rounds:
        raise SuiteError(
            f"{rounds} rounds of {prompts} different prompts need {prompts * rounds}, suite {suite.name!r} has "
            f"{len(chosen)}; give a lower --prompts or --repetitions"
        )
    return [chosen[number::rounds] for number in range(rounds)]


def measure(
    model: str,
    path: Path,
    rounds: Sequence[Sequence[Prompt]],
    *,
    sequences: int,
    threads: int,
    tool: Path | None,
    report: Callable[[str], None],
) -> Answers:
    """Both sides in turn, in every second round in the reverse order; `tool` follows each of our passes.

    Raises:
        EngineError: A side cannot load the model, or does not answer.
    """
    ours: list[Pass] = []
    alone: list[Pass] = []
    theirs: list[Pass] = []

    def several_at_once(prompts: Sequence[Prompt]) -> None:
        ours.append(quality_pass(engine, prompts))
        if tool:  # at once, before the machine's speed changes
            read = max(1, round((ours[-1].prefill_tokens or ours[-1].prompt_tokens) / len(prompts)))
            theirs.append(batched_bench(tool, path, read, sequences, threads))

    def one_at_a_time(prompts: Sequence[Prompt]) -> None:
        alone.append(reference.complete(prompts))

    load = LoadOptions(context_tokens=CONTEXT_TOKENS, sequences=sequences, threads=threads, bulk=True)
    with closing(WorkerEngine(path, load)) as engine, ReferenceProcess(path, threads) as reference:
        hello = replace(rounds[0][0], messages=(Message(role="user", content="Hello."),))
        quality_pass(engine, [hello] * sequences), reference.complete([hello])  # warm-up of both
        for number, prompts in enumerate(rounds):
            for side in (several_at_once, one_at_a_time)[:: 1 if number % 2 == 0 else -1]:
                side(prompts)
            seconds = f"{ours[-1].seconds:.1f} s several at once, {alone[-1].seconds:.1f} s one at a time"
            report(f"{model} {number + 1}/{len(rounds)}: {seconds}")
    return summed(model, len(rounds[0]), sequences, threads, ours, alone, theirs)


def quality_pass(engine: WorkerEngine, prompts: Sequence[Prompt]) -> Pass:
    """All prompts submitted at once; the engine lets the next begin as soon as one ends.

    Raises:
        EngineError: A prompt could not be answered.
    """
    sampling = Sampling(max_tokens=REPLY_TOKENS, ignore_eos=True)
    started = time.perf_counter()
    ends = ask_all(engine, [Request(messages=prompt.messages, sampling=sampling) for prompt in prompts])
    seconds = time.perf_counter() - started
    return Pass(
        seconds=seconds,
        prompt_tokens=sum(end.timings.prompt_tokens or 0 for end in ends),
        completion_tokens=sum(end.completion_tokens for end in ends),
        prefill_tokens=sum(end.timings.prefill_tokens or 0 for end in ends),
    )


class ReferenceProcess:
    """A process with `Llama` in it; see `scripts/reference_completion.py`."""

    def __init__(self, path: Path, threads: int) -> None:
        settings = {"path": str(path), "threads": threads, "context_tokens": CONTEXT_TOKENS}
        self._process = subprocess.Popen(
            [sys.executable, str(_REFERENCE), json.dumps(settings)],
            env=worker_environment(),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def complete(self, prompts: Sequence[Prompt]) -> Pass:
        """One after another.

        Raises:
            EngineError: The process died.
        """
        turns = [[{"role": turn.role, "content": turn.content} for turn in prompt.messages] for prompt in prompts]
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"prompts": turns, "max_tokens": REPLY_TOKENS}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise EngineError(f"llama-cpp-python's Llama ended with exit code {self._process.wait()} on this model")
        return Pass(**json.loads(line))

    def __enter__(self) -> "ReferenceProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


def batched_bench(tool: Path, path: Path, prompt_tokens: int, sequences: int, threads: int) -> Pass:
    """llama-batched-bench once: so many sequences of this prompt length, each writing 128 tokens.

    Raises:
        EngineError: It failed, or said nothing that can be read.
    """
    context = (prompt_tokens + REPLY_TOKENS + 1) * sequences
    shape = ["-npp", str(prompt_tokens), "-ntg", str(REPLY_TOKENS), "-npl", str(sequences)]
    command = [str(tool), "-m", str(path), "-c", str(context), "-b", "512", "-ub", "512", "-t", str(threads), *shape]
    done = subprocess.run(
        [*command, "--output-format", "jsonl"], capture_output=True, text=True, env=worker_environment()
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineError(f"llama-batched-bench failed with exit code {done.returncode}: {last}")
    row: dict[str, Any] = json.loads(lines[-1])
    return Pass(
        seconds=float(row["t"]),
        prompt_tokens=prompt_tokens * sequences,
        completion_tokens=REPLY_TOKENS * sequences,
    )


def summed(
    model: str,
    prompts: int,
    sequences: int,
    threads: int,
    ours: Sequence[Pass],
    alone: Sequence[Pass],
    theirs: Sequence[Pass],
) -> Answers:
    """The passes as figures an hour."""

    def per_hour(passes: Sequence[Pass]) -> float:
        return statistics.median(3600 * prompts / each.seconds for each in passes)

    rates = [each.completion_tokens / each.seconds for each in ours]
    others = [each.completion_tokens / each.seconds for each in theirs]
    pairs = zip(rates, others, strict=True) if others else ()
    return Answers(
        id=model,
        prompts=prompts,
        sequences=sequences,
        threads=threads,
        answers_per_hour=per_hour(ours),
        alone_per_hour=per_hour(alone),
        gain=statistics.median(one.seconds / many.seconds for many, one in zip(ours, alone, strict=True)),
        tok_per_s=statistics.median(rates),
        batched_bench_tok_per_s=statistics.median(others) if others else None,
        ratio_to_batched_bench=statistics.median(mine / other for mine, other in pairs) if others else None,
        ours=tuple(ours),
        alone=tuple(alone),
        batched_bench=tuple(theirs),
    )


def table(results: Sequence[Answers]) -> str:
    """Markdown, one row a model."""
    head = ["model", "prompts", "sequences", "answers/h", "one at a time/h", "gain", "tok/s", "batched-bench", "ratio"]
    return markdown(head, map(_cells, results))


def _cells(result: Answers) -> list[str]:
    bench = result.batched_bench_tok_per_s, result.ratio_to_batched_bench
    return [
        Path(result.id).name,
        str(result.prompts),
        str(result.sequences),
        f"{result.answers_per_hour:.0f}",
        f"{result.alone_per_hour:.0f}",
        f"{result.gain:.2f}×",
        f"{result.tok_per_s:.1f}",
        "–" if bench[0] is None else f"{bench[0]:.1f}",
        "–" if bench[1] is None else f"{bench[1]:.2f}×",
    ]
