"""The file that candidates are made of and compared with: a fine-tune at F16, wherever it lies."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from data.command import say
from data.errors import ModelError
from data.files import is_gguf_name, model_sha256, model_stem, size_text
from data.gguf.facts import quantization_of
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.hub.address import HubSource
from data.hub.listing import ListedModel, list_models
from data.models.added import quantization_by_name
from data.models.derive import check_adapter, derive, refuse_split
from data.models.entries import AdaptedSource, DerivedSource, ModelEntry, Registry
from data.models.fetch import fetch, locate
from data.models.registry import get, load_registry
from data.progress import ProgressPrinter, ignore_progress, never_cancelled

UNQUANTIZED = ("f16", "bf16", "f32")


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What every candidate is measured against.

    Attributes:
        name: Of the model, as its files are called.
        quantization: "f16", or what the best file there is has.
    """

    name: str
    path: Path
    quantization: str
    sha256: str


def is_made(path: Path, *sources: Path) -> bool:
    """Whether a file is there, and no older than what it is made of: a model that is trained anew has the same name."""
    return path.exists() and all(path.stat().st_mtime >= source.stat().st_mtime for source in sources)


def reference_of(model: str, work: Path, *, from_quantized: bool) -> Reference:
    """The best file of a model; a fine-tune of the registry is merged again, at F16, into `work`.

    Args:
        model: Registry id, path of a GGUF, a training run's directory, or a repository of the Hub with GGUFs.

    Raises:
        ModelError: It cannot be had, or is quantized and `from_quantized` is not set.
    """
    path = _path_of(model, work, from_quantized=from_quantized)
    try:
        quantization = quantization_of(read_model(path))
    except (GGUFError, OSError) as error:
        raise ModelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if quantization not in UNQUANTIZED and not from_quantized:
        what = f"{quantization} already" if quantization else "of a quantization that is not known here"
        raise ModelError(_twice(f"{model} is {what}"))
    name = model_stem(Path(model).name).removesuffix(f".{quantization}")
    return Reference(name=name, path=path, quantization=quantization or "unknown", sha256=model_sha256(path))


def _twice(what: str) -> str:
    return (
        f"{what}: quantizing twice adds a second error to the first, and no figure here would show the first; give "
        "the F16 file, or go on with --from-quantized"
    )


def _path_of(model: str, work: Path, *, from_quantized: bool) -> Path:
    if not model.strip():
        raise ModelError("the model has no name; give a registry id, a GGUF, a training run or a Hub repository")
    if is_gguf_name(model):
        return locate(model)
    if Path(model).is_dir():
        return _exported(Path(model))
    if model.count("/") == 1:
        return _of_repository(model, from_quantized=from_quantized)
    registry = load_registry()
    return _entry_path(get(registry, model), registry, work)


def _of_repository(repo: str, *, from_quantized: bool) -> Path:
    """Its unquantized GGUF, fetched; the largest where it holds none and that is wanted."""
    whole = [each for each in list_models(repo) if not each.missing and "mmproj" not in each.file.lower()]
    if not whole:
        raise ModelError(f"{repo} holds no whole GGUF of a text model; look for another repository")
    plain = [each for each in whole if _form(each) in UNQUANTIZED]
    if not plain and not from_quantized:
        raise ModelError(_twice(f"{repo} holds {', '.join(_form(each) or each.file for each in whole)} and no F16"))
    best = plain[0] if plain else whole[-1]
    say(f"{repo}: {best.file}, {size_text(best.size_bytes)}")
    entry = ModelEntry(
        id=repo.lower().replace("/", "--"),
        label=repo,
        base=repo,
        size="unknown",
        quantization=_form(best) or "unknown",
        licence="unknown",
        source=HubSource(repo=repo, file=best.file),
    )
    return _fetched(entry, {entry.id: entry})


def _fetched(entry: ModelEntry, registry: Registry) -> Path:
    show = ProgressPrinter(sys.stderr)
    try:
        return fetch(entry, registry, progress=show)
    finally:
        show.end_line()


def _form(listed: ListedModel) -> str:
    return quantization_by_name(PurePosixPath(listed.file).name)


def _exported(run: Path) -> Path:
    path = run / "export" / f"{run.resolve().name}.f16.gguf"
    if not path.is_file():
        raise ModelError(f"{run}: no {path.relative_to(run)}; make it with python -m training.export {run}")
    return path


def _entry_path(entry: ModelEntry, registry: Registry, work: Path) -> Path:
    """A quantized entry that was made here is made without its last step; an adapter beside its base is merged."""
    source = entry.source
    if isinstance(source, AdaptedSource):
        if source.scale != 1:
            raise ModelError(f"{entry.id}: its adapter is applied at a scale of {source.scale:g}; only 1 can be merged")
        source = DerivedSource(base=source.base, adapter=source.adapter, adapter_sha256=source.adapter_sha256)
    if not isinstance(source, DerivedSource):
        return locate(entry.id)
    base = registry[source.base]
    if not source.adapter and not source.drop_layers:
        return _entry_path(base, registry, work)
    if base.quantization not in UNQUANTIZED:
        say(f"{entry.id}: its base {base.id} is {base.quantization}; the reference has that error in it, too")
    return _merged(entry, source, base, _fetched(base, registry), work)


def _merged(entry: ModelEntry, source: DerivedSource, base: ModelEntry, base_path: Path, work: Path) -> Path:
    plain = replace(source, quantization=None)
    path = work / f"{entry.id}.f16.gguf"
    if not is_made(path, base_path, *([source.adapter] if source.adapter else [])):
        check_adapter(entry, source)
        refuse_split(entry, source, base)
        derive(entry, plain, base_path, work, progress=ignore_progress, cancelled=never_cancelled).replace(path)
    return path
