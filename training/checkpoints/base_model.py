"""The checkpoint that is fine-tuned, wherever it comes from: always a directory of transformers' own format.

A registry's GGUF is turned into one: its weights dequantized, its tokenizer and chat template kept.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import ModelError
from data.files import sha256_of
from data.gguf.header import GGUFError, read_header
from data.gguf.rope import llama3_rope_factors
from data.hub.address import host
from data.hub.network import check_access
from data.models.fetch import locate
from data.paths import cache_dir
from training.checkpoints.tensors import checkpoint_name, heads_of, unpermute
from training.checkpoints.tokenizer import tokenizer_from_gguf
from training.checkpoints.write_gguf import check_exportable
from training.config import Base, TrainingError
from training.run_directory import fingerprint

if TYPE_CHECKING:
    import numpy.typing as npt

_ARRAYS = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges", "tokenizer.ggml.scores")
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


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
        write_checkpoint(gguf, path)
    return Checkpoint(path=path, gguf=gguf, identity=sha256)


def write_checkpoint(gguf: Path, out: Path) -> None:
    """Turn a Llama GGUF into a transformers checkpoint; F16 weights stay F16, others become F32.

    Raises:
        TrainingError: Not a Llama, or a tokenizer that is not known.
        GGUFError: The file cannot be read.
    """
    import numpy as np
    from gguf import GGUFReader
    from gguf.quants import dequantize

    header = read_header(gguf, keep=_ARRAYS)
    if header.architecture != "llama":
        raise TrainingError(f"{gguf}: architecture {header.architecture!r}; only llama can be trained")
    config = llama_config(header.metadata)
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    tensors: dict[str, npt.NDArray[Any]] = {}
    for tensor in GGUFReader(gguf).tensors:
        if tensor.name == "rope_freqs.weight":
            config["rope_parameters"] |= _rope_scaling(np.array(tensor.data), config)
            continue
        weights = dequantize(tensor.data, tensor.tensor_type)
        shape = tuple(reversed(tensor.shape.tolist()))
        weights = weights.reshape(shape).astype(np.float16 if tensor.data.dtype == np.float16 else np.float32)
        if count := heads_of(tensor.name, heads, kv_heads):
            weights = unpermute(weights, count)
        tensors[checkpoint_name(tensor.name)] = np.ascontiguousarray(weights)
    config["tie_word_embeddings"] = "lm_head.weight" not in tensors
    config["dtype"] = str(tensors["model.embed_tokens.weight"].dtype)
    tokenizer = tokenizer_from_gguf(header.metadata)
    config |= {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    config["pad_token_id"] = tokenizer.pad_token_id
    _save(out, tensors, tokenizer, config)


def _save(out: Path, tensors: "dict[str, npt.NDArray[Any]]", tokenizer: Any, config: Mapping[str, Any]) -> None:
    """All files of a checkpoint, or none."""
    from safetensors.numpy import save_file

    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary / "model.safetensors", metadata={"format": "pt"})
        tokenizer.save_pretrained(temporary)
        (temporary / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        if not out.exists():
            temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def llama_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' config.json for a GGUF's metadata, without rope scaling and token ids."""
    value = {key.removeprefix("llama."): item for key, item in metadata.items() if key.startswith("llama.")}
    heads, hidden = value["attention.head_count"], value["embedding_length"]
    tokens = metadata["tokenizer.ggml.tokens"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": value["feed_forward_length"],
        "num_hidden_layers": value["block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": value.get("attention.head_count_kv", heads),
        "head_dim": value.get("attention.key_length", hidden // heads),
        "max_position_embeddings": value["context_length"],
        "rms_norm_eps": value["attention.layer_norm_rms_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": value.get("rope.freq_base", 10_000.0)},
        "vocab_size": len(tokens),
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
    }


def _rope_scaling(factors: "npt.NDArray[Any]", config: Mapping[str, Any]) -> dict[str, Any]:
    """Llama 3.2's scaling, where the file's factors are those."""
    import numpy as np

    expected = llama3_rope_factors(config["head_dim"], base=config["rope_parameters"]["rope_theta"])
    if factors.shape != expected.shape or not np.allclose(factors, expected, rtol=1e-4):
        raise TrainingError("the GGUF scales its rotary frequencies in a way that is not Llama 3.2's")
    return dict(_LLAMA3_ROPE)
