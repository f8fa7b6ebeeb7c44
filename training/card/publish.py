"""What is sent to the Hub of a finished run, in one commit: GGUFs, adapter, card, licence and the gate's verdict."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.analysis.summary import summarise, table
from benchmarks.runs.read import read_run
from data.command import say
from data.files import sha256_of, size_text
from data.hub.account import sign_in
from data.hub.repository import LargeFile, download_text, open_repository, upload
from data.models.card import CARD_FILE, card_json
from data.models.published import ENTRIES_FILE
from training.card.licences import APACHE_TEXT, Origin
from training.card.model_card import Benchmark, card_sections, model_card
from training.card.publication import PEFT_FILES, Publication, registry_entries, without_local_paths
from training.config import TrainingError

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_LICENCE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md")


def publish(
    publication: Publication,
    repo: str,
    *,
    private: bool = False,
    benchmark: Benchmark | None = None,
    licence_file: Path | None = None,
) -> str:
    """Send everything in one commit; returns the commit.

    Raises:
        TrainingError: No right to, or the connection failed; one line that says what to do.
    """
    api = sign_in(repo)
    licence = _licence_text(publication, licence_file, api)
    page = open_repository(api, repo, private=private)
    small = _small_files(publication, repo, benchmark) | ({"LICENSE": licence} if licence else {})
    large = _large_files(publication)
    commit = upload(api, repo, large, small, message=f"Tradeoff: {publication.record.parsed.name}", say=say)
    say(f"published: {page}")
    return commit


def _small_files(publication: Publication, repo: str, benchmark: Benchmark | None) -> dict[str, bytes]:
    """What stands in the repository itself, the card included, by path."""
    run, notice = publication.run, publication.origin.terms.notice
    texts = {
        "README.md": model_card(publication, repo, benchmark),
        CARD_FILE: card_json(card_sections(publication, benchmark)),
        "parity.json": _as_json(asdict(publication.parity)),
        "manifest.json": _as_json(asdict(publication.manifest)),
        "run.json": _as_json(asdict(publication.record)),
    }
    if notice:
        texts["NOTICE"] = notice + "\n"
    if entries := registry_entries(publication, repo):
        texts[ENTRIES_FILE] = entries
    if publication.has_adapter:
        texts["adapter/adapter_config.json"] = _adapter_config(publication)
    files = {name: without_local_paths(text).encode() for name, text in texts.items()}
    return files | ({"loss.png": run.loss_plot.read_bytes()} if publication.has_loss_plot else {})


def _large_files(publication: Publication) -> list[LargeFile]:
    files = [LargeFile(name=file.name, path=file.path, sha256=file.sha256) for file in publication.files]
    if publication.has_adapter:
        weights = publication.run.adapter / PEFT_FILES[1]
        files.append(LargeFile(name=f"adapter/{weights.name}", path=weights, sha256=sha256_of(weights)))
    return files


def _adapter_config(publication: Publication) -> str:
    """PEFT's, with the base as others find it: in the run it is a directory of this machine."""
    path = publication.run.adapter / PEFT_FILES[0]
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise TrainingError(f"{path}: not JSON ({error})") from None
    origin = publication.origin
    return _as_json(content | {"base_model_name_or_path": origin.repository or origin.name})


def _licence_text(publication: Publication, given: Path | None, api: "HfApi") -> bytes | None:
    """The text of the base's licence, where that must lie beside the files."""
    origin = publication.origin
    if given is not None:
        return given.read_bytes()
    if origin.terms.id == "apache-2.0":
        return APACHE_TEXT.read_bytes()
    base = Path(publication.record.base_path)
    if found := next((base / name for name in _LICENCE_NAMES if (base / name).is_file()), None):
        return found.read_bytes()
    if not origin.terms.needs_copy:
        return None
    text = download_text(api, origin.licence_repository, "LICENSE.txt") if origin.licence_repository else None
    if text is None:
        raise _no_licence_text(origin)
    return text


def _no_licence_text(origin: Origin) -> TrainingError:
    asked = f"{origin.licence_repository} did not give it, and " if origin.licence_repository else ""
    return TrainingError(
        f"the {origin.terms.label} licence wants its text beside every copy; {asked}there is none in the base's "
        f"directory: save the text of {origin.terms.url} and pass it as --licence-file FILE"
    )


def read_benchmark(directory: Path, publication: Publication) -> Benchmark:
    """A benchmark run that measured at least one of the files to be published.

    Raises:
        RunError: It cannot be read.
        TrainingError: It measured other files.
    """
    run = read_run(directory)
    ids = {model.get("sha256"): model_id for model_id, model in run.models.items()}
    models = {file.name: ids[file.sha256] for file in publication.files if file.sha256 in ids}
    if not models:
        raise TrainingError(
            f"--benchmark {directory} measured none of these files (no sha256 in common), but {', '.join(run.models)}"
        )
    machine = run.manifest.get("machine", {})
    cpu, threads = machine.get("cpu", "a CPU that was not recorded"), machine.get("usable_threads", "?")
    return Benchmark(
        run_id=run.id,
        machine=f"{cpu}, {threads} threads",
        finished=run.finished,
        suites=tuple(run.manifest.get("suites", {})),
        models=models,
        table=table(summarise(run)),
    )


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def show(publication: Publication, repo: str, benchmark: Benchmark | None) -> None:
    """Every file that would be sent, on stderr, and the card on stdout."""
    small = _small_files(publication, repo, benchmark)
    say(f"would send to {repo}:")
    for file in _large_files(publication):
        say(f"  {file.name}  {size_text(file.path.stat().st_size)}  sha256 {file.sha256}")
    for name, content in small.items():
        say(f"  {name}  {len(content):,} bytes")
    print(small["README.md"].decode(), end="")
