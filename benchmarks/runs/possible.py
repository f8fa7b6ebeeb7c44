"""What `run.json` may say: the types and ranges on which readers rely."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from data.records import Error, fits, shown

_SIGNED = ("seed",)
_MANIFEST: dict[str, Any] = {
    **dict.fromkeys(("run_id", "created_at"), str),
    "finished_at": str | None,
    "rows": int,
    "resumed_at": Sequence[str],
    "graders_version": int,
    "policies": Mapping[str, str],
    "config": Mapping[str, Any],
    "machine": Mapping[str, Any],
    "suites": Mapping[str, Mapping[str, Any]],
    "models": Mapping[str, Mapping[str, Any]],
    "decided_early": Mapping[str, Mapping[str, int]],
    "llama_cpp": Mapping[str, Any] | None,
    "git": Mapping[str, Any] | None,
}
"""What readers rely on, where a manifest has it; more may stand there."""
_CONFIG: dict[str, Any] = {
    **dict.fromkeys(("name", "engine"), str),
    **dict.fromkeys(("models", "suites", "conditions", "kinds"), Sequence[str]),
    **dict.fromkeys(("limit", "repetitions", "seed", "context_tokens", "threads", "max_tokens", "jobs"), int | None),
    "temperature": float | None,
}
_MODEL: dict[str, Any] = {
    **dict.fromkeys(("label", "base", "size", "quantization", "licence", "sha256", "error", "served_by"), str | None),
    **dict.fromkeys(("rank", "alpha", "file_size_bytes", "peak_rss_bytes", "restarts"), float | None),
    **dict.fromkeys(("usd_per_million_in", "usd_per_million_out"), float | None),
    "info": Mapping[str, Any] | None,
}
_SUITE: dict[str, Any] = {"sha256": str | None, "questions_sha256": str | None, "prompts": int | None}
_MACHINE: dict[str, Any] = {
    "cpu": str,
    **dict.fromkeys(("cores", "usable_threads"), int | None),
    "packages": Mapping[str, Any],
}
_BUILD: dict[str, Any] = {**dict.fromkeys(("variant", "error", "llama_cpp_python", "commit"), str | None)}


@lru_cache(maxsize=64)
def check_version(version: str, ours: str, error: Error) -> None:
    """Raises:
    error: No version, or of a newer major than ours, which cannot be read.
    """
    major, newest = version.partition(".")[0], ours.partition(".")[0]
    if not (major.isascii() and major.isdigit()):
        raise error(f"schema_version is {version}; expected one such as {ours!r}")
    if int(major) > int(newest):
        raise error(f"schema version {version} is newer than {ours}; update Tradeoff to read it")


def check_manifest(manifest: Mapping[str, Any], error: Error) -> None:
    """Raises:
    error: A value that readers rely on is of another type, or a number that nothing can have.
    """
    _check_values(manifest, _MANIFEST, error, "")
    _check_values(manifest.get("config", {}), _CONFIG, error, "config.")
    _check_values(manifest.get("machine", {}), _MACHINE, error, "machine.")
    for part in ("llama_cpp", "git"):
        _check_values(manifest.get(part) or {}, _BUILD, error, f"{part}.")
    for part, kinds in (("models", _MODEL), ("suites", _SUITE)):
        for name, facts in manifest.get(part, {}).items():
            _check_values(facts, kinds, error, f"{part}.{name}.")


def _check_values(values: Mapping[str, Any], kinds: Mapping[str, Any], error: Error, where: str) -> None:
    for name in values.keys() & kinds.keys():
        value = values[name]
        if not fits(value, kinds[name]) or (isinstance(value, int | float) and not is_possible(value, name)):
            raise error(f"{where}{name} is {shown(value)}, which it cannot be")


def is_possible(value: float, name: str) -> bool:
    """Whether a number can have been counted or measured: no infinity, nothing below nothing."""
    return (value >= 0 or name in _SIGNED) and abs(value) < 2**63
