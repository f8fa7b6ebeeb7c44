"""Whether a model fits: checked before a load, because the kernel would end the process."""

from pathlib import Path

from benchmarks.engine.contract import EngineError, LoadOptions
from benchmarks.engine.machine import available_memory_bytes
from data.gguf.header import GGUFHeader


def required_memory_bytes(header: GGUFHeader, options: LoadOptions) -> int:
    """Bytes that a load needs: weights, KV cache of all sequences (f16), and the compute buffer's order of size.

    Weights that llama.cpp packs anew are counted once: the file's own pages, which the resident size has too, are the
    kernel's to take back.
    """
    trained = header.context_length or options.context_tokens
    cells = min(options.context_tokens, trained) * options.sequences
    compute = 4 * options.prefill_chunk_tokens * (header.vocabulary_size or 0) + 64 * 2**20
    return header.tensor_bytes + cells * (header.kv_bytes_per_token or 0) + compute


def refuse_if_too_large(path: Path, header: GGUFHeader, options: LoadOptions) -> None:
    """Raises:
    EngineError: The model needs more memory than is available; the message has both figures.
    """
    need, have = required_memory_bytes(header, options), available_memory_bytes()
    if need > have:
        raise EngineError(
            f"{path.name} needs {need / 1e9:.1f} GB of memory with "
            f"{options.sequences} × {options.context_tokens:,} tokens of context, {have / 1e9:.1f} GB are available; "
            "close other models or choose a smaller one"
        )
