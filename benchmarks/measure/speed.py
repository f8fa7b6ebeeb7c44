"""Prefill and decode rates of a GGUF file, and the same of llama-bench beside them: see `benchmarks.speed`."""

import json
import statistics
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine.ask import ask_all
from benchmarks.engine.contract import EngineError, LoadOptions, Request, Sampling, Timings
from benchmarks.engine.worker import worker_environment
from benchmarks.engine.worker_engine import WorkerEngine
from data.tables import markdown

PREFILL_TOKENS = 512
DECODE_TOKENS = 128
CONTEXT_TOKENS = 1024
BATCHED_SEQUENCES = 4
FIRST_TOKEN = 100  # any ordinary token will do: speed does not depend on which
HUGE_PAGES_OFF = {"GLIBC_TUNABLES": ""}

Report = Callable[[str], None]


@dataclass(kw_only=True)
class Samples:
    """Tokens per second of every repetition, in order."""

    prefill: list[float] = field(default_factory=list)
    decode: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SpeedResult:
    """Medians over the repetitions in tokens/s, and ratios as medians of pairs that ran next to each other.

    `decode_4_tok_per_s` is the sum over 4 sequences written in one batch.
    """

    id: str
    threads: int
    huge_pages: bool
    load_s: float
    peak_rss_bytes: int | None
    prefill_tok_per_s: float
    decode_tok_per_s: float
    decode_4_tok_per_s: float
    batch_gain: float
    llama_bench_prefill_tok_per_s: float | None
    llama_bench_decode_tok_per_s: float | None
    prefill_ratio_to_llama_bench: float | None
    decode_ratio_to_llama_bench: float | None
    samples: Samples
    llama_bench_samples: Samples


def measure(
    model: str,
    path: Path,
    *,
    threads: int,
    repetitions: int,
    huge_pages: bool,
    llama_bench: Path | None,
    report: Report,
) -> SpeedResult:
    """Alternate our engine and llama-bench on one file."""
    environment = {} if huge_pages else HUGE_PAGES_OFF
    options = LoadOptions(context_tokens=CONTEXT_TOKENS, sequences=BATCHED_SEQUENCES, threads=threads)
    engine = WorkerEngine(path, options, environment=environment)
    ours, theirs = Samples(), Samples()
    batched: list[float] = []
    try:
        for _ in range(2):
            run_once(engine, Samples())
        for repetition in range(repetitions):
            sides: list[Callable[[], None]] = [lambda: run_once(engine, ours)]
            if llama_bench:
                sides.append(lambda: run_llama_bench(llama_bench, path, threads, environment, theirs))
            for side in sides if repetition % 2 == 0 else reversed(sides):
                side()
            batched.append(batched_tok_per_s(engine))
            report(progress_line(model, repetition + 1, repetitions, ours, theirs))
        return summarize(model, engine, huge_pages, ours, theirs, batched)
    finally:
        engine.close()


def run_once(engine: WorkerEngine, samples: Samples) -> None:
    """One pp512 and one tg128, each into an empty cache."""
    prompt = tuple(range(FIRST_TOKEN, FIRST_TOKEN + PREFILL_TOKENS))
    prefill = run_batch(engine, [prompt], max_tokens=1)[0]
    decode = run_batch(engine, [(FIRST_TOKEN,)], max_tokens=DECODE_TOKENS + 1)[0]
    if prefill.prefill_tokens != PREFILL_TOKENS or decode.decode_tokens != DECODE_TOKENS:
        raise EngineError(f"not measured cold: {prefill.prefill_tokens} prefill, {decode.decode_tokens} decode tokens")
    samples.prefill.append(prefill.prefill_tok_per_s or 0.0)
    samples.decode.append(decode.decode_tok_per_s or 0.0)


def batched_tok_per_s(engine: WorkerEngine) -> float:
    """Tokens/s of several sequences together, counted where all of them are being written."""
    timings = run_batch(engine, [(FIRST_TOKEN + i,) for i in range(BATCHED_SEQUENCES)], max_tokens=DECODE_TOKENS + 1)
    return sum(timing.decode_tok_per_s or 0.0 for timing in timings)


def run_batch(engine: WorkerEngine, prompts: Sequence[tuple[int, ...]], *, max_tokens: int) -> list[Timings]:
    sampling = Sampling(max_tokens=max_tokens, ignore_eos=True)
    requests = [Request(prompt_tokens=prompt, sampling=sampling, cold=True) for prompt in prompts]
    return [end.timings for end in ask_all(engine, requests)]


def run_llama_bench(llama_bench: Path, path: Path, threads: int, environment: dict[str, str], samples: Samples) -> None:
    """One process with one repetition; it warms up by itself.

    Raises:
        EngineError: llama-bench failed.
    """
    shape = ["-p", str(PREFILL_TOKENS), "-n", str(DECODE_TOKENS), "-r", "1", "-t", str(threads)]
    command = [str(llama_bench), "-m", str(path), *shape, "-o", "json"]
    result = subprocess.run(command, capture_output=True, text=True, env=worker_environment(environment))
    if result.returncode:
        last = (result.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineError(f"llama-bench failed with exit code {result.returncode}: {last}")
    for row in json.loads(result.stdout):
        (samples.decode if row["n_gen"] else samples.prefill).append(row["avg_ts"])


def summarize(
    model: str, engine: WorkerEngine, huge_pages: bool, ours: Samples, theirs: Samples, batched: list[float]
) -> SpeedResult:
    decode = statistics.median(ours.decode)
    return SpeedResult(
        id=model,
        threads=engine.info.threads,
        huge_pages=huge_pages,
        load_s=engine.info.load_s,
        peak_rss_bytes=engine.peak_rss_bytes,
        prefill_tok_per_s=statistics.median(ours.prefill),
        decode_tok_per_s=decode,
        decode_4_tok_per_s=statistics.median(batched),
        batch_gain=statistics.median(b / d for b, d in zip(batched, ours.decode, strict=True)),
        llama_bench_prefill_tok_per_s=statistics.median(theirs.prefill) if theirs.prefill else None,
        llama_bench_decode_tok_per_s=statistics.median(theirs.decode) if theirs.decode else None,
        prefill_ratio_to_llama_bench=paired_ratio(ours.prefill, theirs.prefill),
        decode_ratio_to_llama_bench=paired_ratio(ours.decode, theirs.decode),
        samples=ours,
        llama_bench_samples=theirs,
    )


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Median of the ratios of neighbours; None where there is nothing to compare with."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True)) if theirs else None


def progress_line(model: str, done: int, total: int, ours: Samples, theirs: Samples) -> str:
    line = f"{model} {done}/{total}: prefill {ours.prefill[-1]:.1f}, decode {ours.decode[-1]:.1f} tok/s"
    return line + (f"; llama-bench {theirs.prefill[-1]:.1f}, {theirs.decode[-1]:.1f}" if theirs.decode else "")


def table(results: Sequence[SpeedResult]) -> str:
    """Markdown, one row a model and setting."""
    head = ["model", "huge pages", "prefill tok/s", "decode tok/s", "4 sequences", "gain"]
    against = any(result.decode_ratio_to_llama_bench for result in results)
    head += ["llama-bench prefill", "decode", "ratio prefill", "decode"] if against else []
    return markdown(head, (_row(result, against=against) for result in results))


def _row(result: SpeedResult, *, against: bool) -> list[str]:
    def number(value: Any, digits: int = 1) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    row = [Path(result.id).name, "on" if result.huge_pages else "off"]
    row += [number(result.prefill_tok_per_s), number(result.decode_tok_per_s)]
    row += [number(result.decode_4_tok_per_s), number(result.batch_gain, 2)]
    if against:
        row += [number(result.llama_bench_prefill_tok_per_s), number(result.llama_bench_decode_tok_per_s)]
        row += [number(result.prefill_ratio_to_llama_bench, 3), number(result.decode_ratio_to_llama_bench, 3)]
    return row
