"""Quantize a GGUF with llama.cpp's own quantizer.

    python -m data.gguf.quantize SOURCE.gguf TARGET.gguf q4_k_m [--threads N]

The result is byte-identical on every CPU build, so derived files can be pinned by sha256.
Only this module and the engine import llama_cpp. Callers that must survive a crash of the C library take
`quantize_in_child`, which runs this as a process.
"""

import argparse
import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path

from data.child import last_error, run_child
from data.command import parser_of, run_command
from data.errors import ModelError, TradeoffError
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.gguf.types import QUANTIZATIONS
from data.llama_library import use_library
from data.paths import python_path
from data.progress import IsCancelled


class QuantizeError(TradeoffError):
    """The file could not be quantized; the message is one line."""


def quantize(source: Path, target: Path, quantization: str, threads: int | None = None) -> None:
    """Write `source` to `target` in another quantization; a partial target is removed on failure.

    Args:
        quantization: One of `QUANTIZATIONS`.
        threads: None takes all CPUs that this process may run on.

    Raises:
        QuantizeError: Unknown quantization, unreadable source, or llama.cpp refused; its log has the details.
    """
    if quantization not in QUANTIZATIONS:
        raise QuantizeError(f"unknown quantization {quantization!r}; known: {', '.join(QUANTIZATIONS)}")
    try:
        read_model(source)  # llama.cpp aborts the process on some broken files
    except (GGUFError, OSError) as error:
        raise QuantizeError(f"{source}: {error}") from None
    code = 1
    try:
        code = _call_llama(source, target, QUANTIZATIONS[quantization][0], threads or len(os.sched_getaffinity(0)))
    finally:
        if code != 0:
            target.unlink(missing_ok=True)
    if code != 0:
        raise QuantizeError(f"{source}: llama.cpp could not write {quantization} (code {code})")


def quantize_in_child(
    source: Path,
    target: Path,
    quantization: str,
    *,
    on_share: Callable[[float], None] = lambda share: None,
    cancelled: IsCancelled,
) -> None:
    """Quantize in a process of its own, so that a crash of llama.cpp ends only that.

    Args:
        on_share: Called with the share of the tensors that are done, 0 to 1.

    Raises:
        ModelError: The process failed or crashed.
        FetchCancelled: `cancelled()` became true.
    """
    try:
        code, log = run_child(
            [sys.executable, "-m", "data.gguf.quantize", str(source), str(target), quantization],
            directory=target.parent,
            environment={"PYTHONPATH": python_path()},
            tick=lambda log: on_share(quantized_share(log)),
            cancelled=cancelled,
        )
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if code != 0:
        target.unlink(missing_ok=True)
        cause = f"the quantizer was ended by signal {-code}" if code < 0 else last_error(log)
        raise ModelError(f"could not quantize {source.name} to {quantization}: {cause.removeprefix('error: ')}")


def quantized_share(log: str) -> float:
    """Share of the tensors done, from llama.cpp's lines such as `[  12/ 272] blk.1.attn_k.weight`."""
    for line in reversed(log.splitlines()):
        if line.startswith("[") and "]" in line:
            done, _, total = line[1 : line.index("]")].partition("/")
            if done.strip().isdigit() and total.strip().isdigit() and int(total):
                return min(1.0, int(done) / int(total))
    return 0.0


def size_bound_bytes(source: Path, quantization: str) -> int:
    """Upper bound of the quantized file's size."""
    header = read_model(source)
    metadata_bytes = header.expected_file_size - header.tensor_bytes
    return metadata_bytes + int(header.tensor_elements * QUANTIZATIONS[quantization][1] / 8)


def _call_llama(source: Path, target: Path, file_type: int, threads: int) -> int:
    use_library()
    from llama_cpp import llama_cpp

    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = file_type
    parameters.nthread = threads
    parameters.allow_requantize = True  # else a quantized source is refused
    code: int = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(target), ctypes.byref(parameters))
    return code


def main(arguments: list[str] | None = None) -> int:
    parser = parser_of("data.gguf.quantize", "Quantize a GGUF with llama.cpp's own quantizer.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("quantization", choices=sorted(QUANTIZATIONS))
    parser.add_argument("--threads", type=int, help="default: all CPUs that this process may run on")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _run(options: argparse.Namespace) -> int:
    quantize(options.source, options.target, options.quantization, options.threads)
    return 0


if __name__ == "__main__":
    sys.exit(main())
