"""The picked file and the reference timed in turns: what was timed minutes apart differs by what the machine did."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine.contract import EngineError, LoadOptions
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.speed import CONTEXT_TOKENS, Samples, run_once


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Tokens/s of decoding, in the order of the turns.

    Attributes:
        file, reference: Of the picked file, and of the reference next to it.
    """

    quantization: str
    file: tuple[float, ...]
    reference: tuple[float, ...]


def time_beside(
    quantization: str, path: Path, reference: Path, *, threads: int, repetitions: int, report: Callable[[str], None]
) -> Beside | None:
    """Both loaded, warmed up, then first the one and then the other, each turn the other way round.

    None where the machine cannot hold both; `report` says so.
    """
    options = LoadOptions(context_tokens=CONTEXT_TOKENS, threads=threads)
    ours, theirs = Samples(), Samples()
    try:
        with ExitStack() as opened:
            sides = [
                (opened.enter_context(closing(WorkerEngine(each, options))), samples)
                for each, samples in ((path, ours), (reference, theirs))
            ]
            for engine, _ in sides:
                run_once(engine, Samples())
            for turn in range(repetitions):
                for engine, samples in sides if turn % 2 == 0 else reversed(sides):
                    run_once(engine, samples)
                report(f"{quantization} {ours.decode[-1]:.1f} tok/s beside the reference's {theirs.decode[-1]:.1f}")
    except EngineError as error:
        report(f"{quantization} and the reference are not timed side by side: {error}")
        return None
    return Beside(quantization=quantization, file=tuple(ours.decode), reference=tuple(theirs.decode))
