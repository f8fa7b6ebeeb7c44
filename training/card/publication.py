"""What a run would publish, read from its directory: nothing leaves that the parity gate did not pass."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.files import sha256_of
from data.gguf.facts import parameter_count, parameters_text
from data.gguf.header import GGUFError, read_header
from data.hub.address import HubSource
from data.manifest import Manifest, ManifestError, read_manifest
from data.models.entries import ModelEntry
from data.models.registry import registry_toml
from training.card.licences import Origin, origin_of
from training.config import TrainingError
from training.run_directory import RUNS, RunDirectory, RunRecord, read_metrics, read_record

ADAPTER = "adapter"
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")


@dataclass(frozen=True, kw_only=True)
class ExportedFile:
    """A GGUF of the run.

    Attributes:
        kind: Its quantization, or "adapter".
    """

    kind: str
    path: Path
    sha256: str
    size_bytes: int

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True, kw_only=True)
class Publication:
    """A run whose chosen files are exactly those that passed the parity gate.

    Attributes:
        size: Parameters as people say it, such as "1B".
        manifest: The export's, with the chosen files only.
        peft_size_bytes: Of the adapter for PEFT; 0 where it is not published.
        data_card: Empty where there is none.
    """

    run: RunDirectory
    record: RunRecord
    origin: Origin
    files: tuple[ExportedFile, ...]
    size: str
    peft_size_bytes: int
    has_loss_plot: bool
    manifest: Manifest
    parity: Manifest
    metrics: tuple[Mapping[str, Any], ...]
    data_card: Mapping[str, Any]

    @property
    def models(self) -> tuple[ExportedFile, ...]:
        """The GGUFs that can be run on their own."""
        return tuple(file for file in self.files if file.kind != ADAPTER)

    @property
    def has_adapter(self) -> bool:
        return len(self.models) < len(self.files)


def publication_of(path: Path, *, licence: str = "", kinds: Sequence[str] = ()) -> Publication:
    """Read what there is of a run and check the parity gate's verdict against the files.

    Args:
        path: Of the run, or its name in `runs/`.
        licence: Of the base, where it is not known here.
        kinds: Of the GGUFs, "adapter" for the LoRA adapter; empty for all that were exported.

    Raises:
        TrainingError: The run is not finished, not exported or not verified, or a file changed since.
    """
    run = find_run(path)
    record = read_record(run)
    origin = origin_of(record.parsed.base, licence)
    if record.status != "finished":
        raise TrainingError(f"{run.path}: training is {record.status}, not finished; go on with training.sft --resume")
    manifest = _manifest(run, run.manifest, "gguf", f"python -m training.export {run.path}")
    parity = _manifest(run, run.parity, "parity", f"python -m training.verify {run.path}")
    _check_verdict(run, parity)
    files = tuple(_exported(run, name, parity) for name in _chosen(run, manifest, kinds))
    with_adapter = any(file.kind == ADAPTER for file in files)
    model = next((file for file in files if file.kind != ADAPTER), None)
    return Publication(
        run=run,
        record=record,
        origin=origin,
        files=files,
        size=origin.size or (_counted(model.path) if model else ""),
        peft_size_bytes=_peft_size_bytes(run) if with_adapter else 0,
        has_loss_plot=run.loss_plot.is_file(),
        manifest=replace(manifest, files={file.name: file.sha256 for file in files}),
        parity=parity,
        metrics=tuple(read_metrics(run.metrics)),
        data_card=_read_json(Path(record.data_path) / "card.json"),
    )


def find_run(path: Path) -> RunDirectory:
    """The run at a path, or by its name in `runs/`."""
    named = RUNS / path
    return RunDirectory(path=named if not path.exists() and named.is_dir() else path)


def without_local_paths(text: str) -> str:
    """A text with this directory and the home directory taken out: whose machine it was is nobody's business."""
    for place, instead in ((Path.cwd(), ""), (Path.home(), "~" + os.sep)):
        if place != place.parent:
            text = text.replace(f"{place}{os.sep}", instead)
    return text


def _manifest(run: RunDirectory, path: Path, kind: str, command: str) -> Manifest:
    if not path.is_file():
        raise TrainingError(f"{run.path} has no {path.relative_to(run.path)}; run {command}")
    try:
        manifest = read_manifest(path)
    except ManifestError as error:
        raise TrainingError(f"{error}; run {command} again") from None
    if manifest.kind != kind:
        raise TrainingError(f"{path}: a manifest of kind {manifest.kind!r}, not {kind!r}; run {command} again")
    return manifest


def _check_verdict(run: RunDirectory, parity: Manifest) -> None:
    failed = [check for check in checks_of(parity) if check.get("passed") is not True]
    if parity.extra.get("passed") is True and not failed:
        return
    named = ", ".join(
        f"{check.get('name')} of {check.get('file')} is {check.get('value')}, limit {check.get('limit')}"
        for check in failed
    )
    raise TrainingError(
        f"{run.parity}: the parity gate was not passed ({named or 'no verdict'}); such files are not published: "
        f"export other quantizations, or correct the cause and run python -m training.verify {run.path} again"
    )


def checks_of(parity: Manifest) -> list[Mapping[str, Any]]:
    """The gate's single checks: name, file, value, limit, passed."""
    checks = parity.extra.get("checks")
    return [check for check in checks if isinstance(check, Mapping)] if isinstance(checks, list) else []


def _chosen(run: RunDirectory, manifest: Manifest, kinds: Sequence[str]) -> list[str]:
    names = {_kind(name): name for name in manifest.files if name.endswith(".gguf")}
    for kind in kinds:
        if kind not in names:
            raise TrainingError(f"--files has {kind!r}, which was not exported; there are {', '.join(names) or 'none'}")
    if not names:
        raise TrainingError(f"{run.manifest} lists no GGUF; run python -m training.export {run.path}")
    return [name for kind, name in names.items() if not kinds or kind in kinds]


def _kind(name: str) -> str:
    return name.removesuffix(".gguf").rpartition(".")[2]


def _exported(run: RunDirectory, name: str, parity: Manifest) -> ExportedFile:
    path = run.export / name
    if not path.is_file():
        raise TrainingError(
            f"{path} is missing; run python -m training.export {run.path} and then training.verify, or choose --files"
        )
    verify = f"run python -m training.verify {run.path}"
    judged = parity.files.get(name)
    if judged is None:
        raise TrainingError(f"{name} was not judged by the parity gate; {verify}, or choose others with --files")
    sha256 = sha256_of(path)
    if sha256 != judged:
        raise TrainingError(
            f"{name} is not the file that the parity gate judged (sha256 {sha256[:12]}…, judged {judged[:12]}…); "
            f"{verify} again"
        )
    return ExportedFile(kind=_kind(name), path=path, sha256=sha256, size_bytes=path.stat().st_size)


def _peft_size_bytes(run: RunDirectory) -> int:
    for name in PEFT_FILES:
        if not (run.adapter / name).is_file():
            raise TrainingError(f"{run.adapter / name} is missing; choose files without the adapter with --files")
    return sum((run.adapter / name).stat().st_size for name in PEFT_FILES)


def _counted(path: Path) -> str:
    """The weights of a GGUF, for a base whose name does not tell."""
    try:
        return parameters_text(parameter_count(read_header(path)))
    except GGUFError as error:
        raise TrainingError(f"{path}: {error}") from None


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def registry_entries(publication: Publication, repo: str, revision: str = "") -> str:
    """One `[[model]]` table of data/models.toml for each published model, with its sha256, as TOML.

    Args:
        revision: The commit; empty leaves it out, and the first fetch then takes main's.
    """
    return registry_toml(_entry(publication, file, repo, revision) for file in publication.models)


def entry_id(publication: Publication, file: ExportedFile) -> str:
    """The run's name, with the quantization where several are published."""
    name = publication.record.parsed.name
    return name if len(publication.models) == 1 else f"{name}-{file.kind}"


def _entry(publication: Publication, file: ExportedFile, repo: str, revision: str) -> ModelEntry:
    config, origin = publication.record.parsed, publication.origin
    return ModelEntry(
        id=entry_id(publication, file),
        label=f"{config.name} {file.kind.upper()}",
        base=origin.name,
        size=publication.size,
        rank=config.lora.rank,
        alpha=config.lora.alpha,
        quantization=file.kind,
        licence=origin.terms.label,
        sha256=file.sha256,
        file_size_bytes=file.size_bytes,
        source=HubSource(repo=repo, file=file.name, revision=revision or None),
    )
