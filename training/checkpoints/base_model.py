"""The checkpoint that is fine-tuned, wherever it comes from: always a directory of transformers' own format.

A registry's GGUF is turned into one: its weights dequantized, its tokenizer and chat template kept.
"""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import ModelError
from data.files import sha256_of
from data.gguf.header import GGUFError, TensorInfo, read_header
from data.gguf.write import BF16, F32, value_blocks
from data.hub.address import host
from data.hub.network import check_access
from data.models.fetch import locate
from data.paths import cache_dir
from training.checkpoints.architectures import architecture, check_exportable, config_of
from training.checkpoints.tensors import checkpoint_name, from_gguf
from training.checkpoints.tokenizer import tokenizer_from_gguf
from training.checkpoints.write_safetensors import write_safetensors
from training.config import Base, TrainingError
from training.run_directory import fingerprint

if TYPE_CHECKING:
    import numpy.typing as npt

_ARRAYS = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.scores")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A base model on this machine.

    Attributes:
        path: Directory with config.json, safetensors and tokenizer.
        gguf: The GGUF that it was made from, into which an adapter can be merged; None for a true checkpoint.
        identity: Commit, or sha256 of the GGUF or of the directory's config and index.
    """

    path: Path
    gguf: Path | None
    identity: str


def resolve(base: Base) -> Checkpoint:
    """Have the base model here, downloading or converting it at the first time.

    Raises:
        TrainingError: It cannot be had; says how to get it.
    """
    try:
        checkpoint = _from_hub(base) if base.source == "hub" else _from_disk(base)
        config = json.loads((checkpoint.path / "config.json").read_text(encoding="utf-8"))
    except (ModelError, GGUFError, OSError, ValueError) as error:
        raise TrainingError(f"base {base.name!r}: {error}") from None
    try:
        check_exportable(config)
    except TrainingError as error:
        raise TrainingError(f"base {base.name!r}: {error}") from None
    return checkpoint


def _from_disk(base: Base) -> Checkpoint:
    path = locate(base.name) if base.source == "registry" else Path(base.name).expanduser()
    if path.is_dir() and (path / "config.json").is_file():
        return Checkpoint(path=path, gguf=None, identity=_directory_identity(path))
    if path.is_file():
        return _from_gguf(path)
    raise TrainingError(f"base.name is {base.name!r}: neither a GGUF nor a directory with config.json")


def _from_hub(base: Base) -> Checkpoint:
    from huggingface_hub import errors, snapshot_download

    check_access()
    page = f"https://huggingface.co/{base.name}"
    try:
        path = snapshot_download(
            base.name,
            revision=base.revision or None,
            allow_patterns=["*.json", "*.safetensors", "*.jinja"],
            endpoint=host(),
        )
    except errors.GatedRepoError:
        raise TrainingError(
            f"base {base.name!r} is gated: ask for access at {page}, then set HF_TOKEN to your token"
        ) from None
    except errors.RevisionNotFoundError:
        raise TrainingError(f"base {base.name!r} has no revision {base.revision!r}; see {page}/commits/main") from None
    except errors.RepositoryNotFoundError:
        raise TrainingError(
            f"no access to base {base.name!r}: it does not exist, or it is private; check {page}, or set HF_TOKEN"
        ) from None
    except errors.HFValidationError:
        raise TrainingError(f"base.name is {base.name!r}; a Hub repository is written NAMESPACE/NAME") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise TrainingError(f"base {base.name!r} cannot be downloaded ({reason}); check the network") from None
    return Checkpoint(path=Path(path), gguf=None, identity=Path(path).name)


def _directory_identity(path: Path) -> str:
    """Of every weight file: a sum that is remembered, so it is read once."""
    sums = [sha256_of(file) for file in sorted([*path.glob("*.safetensors"), path / "config.json"])]
    return fingerprint(sums)


def _from_gguf(gguf: Path) -> Checkpoint:
    sha256 = sha256_of(gguf)
    path = cache_dir() / "checkpoints" / f"{gguf.stem}-{sha256[:12]}"
    if not (path / "config.json").is_file():
        try:
            write_checkpoint(gguf, path)
        except TrainingError as error:
            raise TrainingError(f"{gguf}: {error}") from None
    return Checkpoint(path=path, gguf=gguf, identity=sha256)


def write_checkpoint(gguf: Path, out: Path) -> None:
    """Turn a GGUF into a transformers checkpoint, tensor by tensor.

    Vectors become F32, and so do matrices of F32 or BF16; others, the quantized ones too, become F16, as they will be
    in the file that is exported.

    Raises:
        TrainingError: An architecture or a tokenizer that is not known.
        GGUFError: The file cannot be read.
    """
    import numpy as np

    header = read_header(gguf, keep=_ARRAYS)
    architecture(header.architecture)
    tensors = {tensor.name: tensor for tensor in header.tensors}
    factors = tensors.pop("rope_freqs.weight", None)
    config = config_of(header.metadata, _values(gguf, factors, np.float32) if factors else None)
    sources = {checkpoint_name(name, header.architecture): tensor for name, tensor in tensors.items()}
    layout = {
        name: (tensor.dimensions[::-1], np.dtype(np.float32 if _is_wide(tensor) else np.float16))
        for name, tensor in sources.items()
    }
    config["tie_word_embeddings"] = "lm_head.weight" not in layout
    config["dtype"] = layout["model.embed_tokens.weight"][1].name
    tokenizer = tokenizer_from_gguf(header.metadata)
    config |= {f"{role}_token_id": getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "pad")}

    def values(name: str) -> "npt.NDArray[Any]":
        tensor = sources[name]
        return from_gguf(tensor.name, _values(gguf, tensor, layout[name][1]), config)

    _save(out, lambda path: write_safetensors(path, layout, values), tokenizer, config)


def _is_wide(tensor: TensorInfo) -> bool:
    return len(tensor.dimensions) == 1 or tensor.kind in (F32, BF16)


def _values(gguf: Path, tensor: TensorInfo, dtype: "npt.DTypeLike") -> "npt.NDArray[Any]":
    import numpy as np

    with np.errstate(over="ignore"):  # said below, with the tensor's name
        values = np.concatenate([block.astype(dtype) for block in value_blocks(gguf, tensor)])
    if not np.isfinite(values).all():
        raise TrainingError(f"tensor {tensor.name!r} has a value that is not finite, or beyond F16's 65,504")
    return values.reshape(tensor.dimensions[::-1])


def _save(out: Path, write_weights: Callable[[Path], None], tokenizer: Any, config: Mapping[str, Any]) -> None:
    """All files of a checkpoint, or none."""
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        write_weights(temporary / "model.safetensors")
        tokenizer.save_pretrained(temporary)
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        if not out.exists():
            temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
