"""The file that candidates are made of and compared with: a fine-tune at F16, wherever it lies."""

from dataclasses import dataclass, replace
from pathlib import Path

from data.command import say
from data.errors import ModelError
from data.files import is_gguf_name, model_sha256
from data.gguf.facts import quantization_of
from data.gguf.header import GGUFError
from data.gguf.split import read_model
from data.models.derive import check_adapter, derive, refuse_split
from data.models.entries import AdaptedSource, DerivedSource, ModelEntry, Registry
from data.models.fetch import fetch, locate
from data.models.registry import get, load_registry
from data.progress import ignore_progress, never_cancelled

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


def reference_of(model: str, work: Path, *, from_quantized: bool) -> Reference:
    """The best file of a model; a fine-tune of the registry is merged again, at F16, into `work`.

    Args:
        model: Registry id, path of a GGUF, or a training run's directory.

    Raises:
        ModelError: It cannot be had, or is quantized and `from_quantized` is not set.
    """
    path = _path_of(model, work)
    try:
        quantization = quantization_of(read_model(path)) or "unknown"
    except (GGUFError, OSError) as error:
        raise ModelError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if quantization not in UNQUANTIZED and not from_quantized:
        raise ModelError(
            f"{model} is {quantization} already: quantizing twice adds a second error to the first, and no figure here "
            "would show the first; give the F16 file, or go on with --from-quantized"
        )
    name = Path(model).name.removesuffix(".gguf").removesuffix(f".{quantization}")
    return Reference(name=name, path=path, quantization=quantization, sha256=model_sha256(path))


def _path_of(model: str, work: Path) -> Path:
    if is_gguf_name(model):
        return locate(model)
    if Path(model).is_dir():
        return _exported(Path(model))
    if "/" in model:
        raise ModelError(
            f"{model}: not a file or a run here; of a repository on the Hub add its F16 file to the registry "
            "(python -m data.models add), then give that id"
        )
    registry = load_registry()
    return _entry_path(get(registry, model), registry, work)


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
    return _merged(entry, source, base, fetch(base, registry), work)


def _merged(entry: ModelEntry, source: DerivedSource, base: ModelEntry, base_path: Path, work: Path) -> Path:
    path = work / f"{entry.id}.f16.gguf"
    if not path.exists():
        check_adapter(entry, source)
        refuse_split(entry, source, base)
        plain = replace(source, quantization=None)
        derive(entry, plain, base_path, work, progress=ignore_progress, cancelled=never_cancelled).replace(path)
    return path
