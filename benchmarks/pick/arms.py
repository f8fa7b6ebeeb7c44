"""One candidate file: made, timed, compared with the reference chunk by chunk; and the ledger of finished ones."""

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.engine.contract import Engine, LoadOptions, Request
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.speed import Report, measure
from benchmarks.statistics.divergence import Divergence, LogProbabilities, divergence
from data.errors import TradeoffError
from data.files import model_size_bytes, write_atomically
from data.message import Message
from data.records import build, parse_json
from data.suites.prompts import Prompt, Suite

WINDOW_TOKENS, MOST_WINDOWS = 256, 24
_TOKENIZE_TOKENS = 4096
_PIECE_CHARACTERS = 800


class PickError(TradeoffError):
    """Something the command was given cannot be used; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What was measured of one file.

    Attributes:
        peak_rss_bytes: With four sequences of 1,024 tokens.
        decode_samples: Tokens/s of each repetition, in order; `decode_tok_per_s` is their median.
        mean_kl, p99_kl, max_kl: KL(reference || file), nats per token; `error_kl` is the mean's standard error.
        top1: Share of positions with the reference's likeliest token.
        perplexity: Of the text, in its windows.
    """

    quantization: str
    size_bytes: int
    load_s: float
    prefill_tok_per_s: float
    decode_tok_per_s: float
    decode_samples: tuple[float, ...]
    peak_rss_bytes: int
    mean_kl: float
    error_kl: float
    p99_kl: float
    max_kl: float
    top1: float
    perplexity: float
    tokens: int


def windows_of(engine: Engine, suite: Suite, text: str | None) -> list[list[int]]:
    """Token ids of the text, or of the prompts with their right answers in the model's own template, in windows.

    Raises:
        PickError: Too little for one.
    """
    if text is None and not any(prompt.right for prompt in suite.prompts):
        raise PickError(f"{suite.name} has no right answers to read files on; give a text with --text FILE")
    ids = _text_ids(engine, text) if text is not None else _conversation_ids(engine, suite.prompts)
    if len(ids) < WINDOW_TOKENS:
        raise PickError(f"the text has {len(ids)} tokens, less than one context of {WINDOW_TOKENS}; give a longer one")
    starts = range(0, min(len(ids), MOST_WINDOWS * WINDOW_TOKENS) - WINDOW_TOKENS + 1, WINDOW_TOKENS)
    return [ids[start : start + WINDOW_TOKENS] for start in starts]


def lockstep(
    reference: Engine, file: Engine, windows: Sequence[Sequence[int]], *, first: int = 0
) -> tuple[Divergence, float]:
    """How far the file is from the reference, and its perplexity; no window's logits outlive it.

    Args:
        first: The first position of a window whose next token counts; llama-perplexity's is the middle one.
    """
    chosen: list[float] = []

    def pairs() -> Iterator[tuple[LogProbabilities, LogProbabilities]]:
        for ids in windows:
            expected = reference.distributions(list(ids))[first:-1]
            found = expected if file is reference else file.distributions(list(ids))[first:-1]
            chosen.extend(map(float, found[np.arange(len(found)), np.array(ids[first + 1 :])]))
            yield expected, found

    far = divergence(pairs(), near_tie_nats=0)
    return far, math.exp(-sum(chosen) / len(chosen))


def open_for_windows(path: Path, threads: int) -> WorkerEngine:
    return WorkerEngine(path, LoadOptions(context_tokens=_TOKENIZE_TOKENS, threads=threads))


def measure_arm(
    quantization: str,
    path: Path,
    reference: Path,
    windows: Sequence[Sequence[int]],
    *,
    threads: int,
    repetitions: int,
    report: Report,
) -> Arm:
    """Time the file alone, then load the reference beside it; of the reference itself, one engine is both."""
    speed = measure(
        quantization, path, threads=threads, repetitions=repetitions, huge_pages=True, llama_bench=None, report=report
    )
    with closing(open_for_windows(path, threads)) as file:
        if path == reference:
            far, perplexity = lockstep(file, file, windows)
        else:
            with closing(open_for_windows(reference, threads)) as expected:
                far, perplexity = lockstep(expected, file, windows)
    return Arm(
        quantization=quantization,
        size_bytes=model_size_bytes(path),
        load_s=speed.load_s,
        prefill_tok_per_s=speed.prefill_tok_per_s,
        decode_tok_per_s=speed.decode_tok_per_s,
        decode_samples=tuple(speed.samples.decode),
        peak_rss_bytes=speed.peak_rss_bytes or 0,
        **asdict(far),
        perplexity=perplexity,
    )


class Ledger:
    """Finished arms, a line each, so that the same command goes on where it ended.

    Args:
        key: What a figure depends on besides the quantization: source, machine, text, settings.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def find(self, quantization: str) -> Arm | None:
        """The last one measured; a torn or damaged line is none."""
        for line in reversed(self._lines()):
            try:
                row = parse_json(line, self.path.name, PickError)
                if row["key"] == self.key and row["arm"]["quantization"] == quantization:
                    return build(Arm, row["arm"], PickError)
            except (ValueError, KeyError, TypeError, PickError):
                continue
        return None

    def add(self, arm: Arm) -> None:
        line = json.dumps({"key": self.key, "arm": asdict(arm)}, allow_nan=False)
        write_atomically(self.path, "\n".join([*self._lines(), line]) + "\n")

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines() if self.path.exists() else []


def _conversation_ids(engine: Engine, prompts: Sequence[Prompt]) -> list[int]:
    ids: list[int] = []
    for prompt in prompts:
        if len(ids) >= MOST_WINDOWS * WINDOW_TOKENS:
            break
        if prompt.right:
            answer = Message(role="assistant", content=prompt.right)
            ids += engine.tokenize(Request(messages=(*prompt.messages, answer)))
    return ids


def _text_ids(engine: Engine, text: str) -> list[int]:
    """The text's own ids: of a turn that is rendered, what stands between the template's beginning and end."""
    pieces = [text[start : start + _PIECE_CHARACTERS] for start in range(0, len(text), _PIECE_CHARACTERS)]
    one, other = (_turn(engine, short) for short in ("1", "?"))
    before, after = _shared(one, other), _shared(one[::-1], other[::-1])
    ids: list[int] = []
    for piece in pieces[: MOST_WINDOWS * WINDOW_TOKENS // 100]:
        whole = _turn(engine, piece)
        ids += whole[before : len(whole) - after]
    return ids


def _turn(engine: Engine, text: str) -> list[int]:
    return engine.tokenize(Request(messages=(Message(role="user", content=text),)))


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two lists begin with alike."""
    return next((place for place, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))
