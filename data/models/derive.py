"""Make a derived model from its base: drop layers, merge an adapter, quantize, in that order."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from data.errors import ModelError
from data.files import model_files, model_sha256, require_space, sha256_of
from data.gguf.adapted import write_adapted
from data.gguf.layers import drop_layers
from data.gguf.lora import merge_adapter, read_adapter
from data.gguf.quantize import quantize_in_child, size_bound_bytes
from data.hub.address import HubSource
from data.models.entries import AdaptedSource, DerivedSource, FileSource, ModelEntry
from data.progress import IsCancelled, OnProgress, Stage, reporter

OnShare = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One change of the file; `work` takes the source, the target and what to report to."""

    stage: Stage
    size_bytes: int
    work: Callable[[Path, Path, OnShare], None]


def check_adapter(entry: ModelEntry, source: DerivedSource) -> None:
    """Refuse an adapter that is not what the registry says, before anything large is fetched for it.

    Raises:
        ModelError: Not there, other bytes than pinned, broken, or of another rank or alpha than the entry's.
    """
    if source.adapter is None:
        return
    if not source.adapter.is_file():
        raise ModelError(f"{entry.id}: no adapter at {source.adapter}; train it, or correct the registry")
    if source.adapter_sha256 and (got := sha256_of(source.adapter)) != source.adapter_sha256:
        raise ModelError(
            f"{entry.id}: another adapter at {source.adapter}: its sha256 is {got}, expected {source.adapter_sha256}; "
            "restore it, or pin the new one and the model made with it"
        )
    try:
        adapter = read_adapter(source.adapter)
    except ModelError as error:
        raise ModelError(f"{entry.id}: {error}") from None
    for key, says, has in (("rank", entry.rank, adapter.rank), ("alpha", entry.alpha, adapter.alpha)):
        if says is not None and says != has:
            raise ModelError(f"{entry.id}: the registry says {key} {says}, {source.adapter} has {has:g}")


def refuse_split(entry: ModelEntry, source: DerivedSource, base: ModelEntry) -> None:
    """Refuse what only a base of one file can be made into, before the base is fetched.

    Raises:
        ModelError: The base is a split GGUF, and more than its quantization is to be changed.
    """
    parts = 1
    if isinstance(base.source, HubSource):
        parts = len(base.source.files)
    elif isinstance(base.source, FileSource):
        parts = len(model_files(base.source.path))
    if parts > 1 and (source.drop_layers or source.adapter):
        raise ModelError(
            f"{entry.id}: its base {base.id} is split in {parts} parts, which only quantizing can read; derive an f16 "
            "of it first, and this one from that"
        )


def derive(
    entry: ModelEntry,
    source: DerivedSource,
    base: Path,
    directory: Path,
    *,
    progress: OnProgress,
    cancelled: IsCancelled,
) -> Path:
    """Make the entry's file in `directory` under a temporary name; on failure nothing of it is left.

    Raises:
        ModelError: Disk too small, or a step failed.
        FetchCancelled: `cancelled()` became true.
    """
    steps = _steps(entry, source, base, cancelled)
    sizes = [step.size_bytes for step in steps]
    require_space(directory, max(map(sum, zip([0, *sizes], sizes))), entry.id)  # a step's source goes after it
    current, made = base, list[Path]()
    try:
        for step in steps:
            made.append(directory / f"{step.stage}.tmp")
            _run(entry, step, current, made[-1], progress)
            if current != base:
                current.unlink()
            current = made[-1]
    except BaseException:
        for path in made:
            path.unlink(missing_ok=True)
        raise
    return current


def _run(entry: ModelEntry, step: _Step, current: Path, new: Path, progress: OnProgress) -> None:
    report = reporter(entry.id, step.stage, step.size_bytes, progress)
    try:
        step.work(current, new, lambda share: report(int(share * step.size_bytes)))
    except ModelError as error:
        raise ModelError(f"{entry.id}: {error}") from None


def _steps(entry: ModelEntry, source: DerivedSource, base: Path, cancelled: IsCancelled) -> list[_Step]:
    steps: list[_Step] = []
    if layers := source.drop_layers:
        size = base.stat().st_size
        steps.append(
            _Step(
                stage="copy",
                size_bytes=size,
                work=lambda old, new, show: drop_layers(old, new, layers, on_share=show, cancelled=cancelled),
            )
        )
    if isinstance(source, AdaptedSource):
        steps.append(_adapting(source, source.adapter or base))
    elif adapter := source.adapter:
        size = size_bound_bytes(base, "f16")
        steps.append(
            _Step(
                stage="merge",
                size_bytes=size,
                work=lambda old, new, show: merge_adapter(old, adapter, new, on_share=show, cancelled=cancelled),
            )
        )
    if quantization := source.quantization:
        size = entry.file_size_bytes or size_bound_bytes(base, quantization)
        steps.append(
            _Step(
                stage="quantize",
                size_bytes=size,
                work=lambda old, new, show: quantize_in_child(
                    old, new, quantization, on_share=show, cancelled=cancelled
                ),
            )
        )
    return steps


def _adapting(source: AdaptedSource, adapter: Path) -> _Step:
    def work(old: Path, new: Path, show: OnShare) -> None:
        write_adapted(adapter, old, new, base_sha256=model_sha256(old), scale=source.scale)
        show(1.0)

    return _Step(stage="merge", size_bytes=adapter.stat().st_size, work=work)
