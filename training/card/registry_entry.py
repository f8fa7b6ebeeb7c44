"""The entry of data/models.toml under which a published GGUF can be measured and tried."""

import json

from training.card.publication import ExportedFile, Publication


def registry_entries(publication: Publication, repo: str, revision: str = "") -> str:
    """One `[[model]]` table for each published model, with its sha256, as TOML.

    Args:
        revision: The commit; empty leaves it out, and the first fetch then takes main's.
    """
    return "\n".join(_entry(publication, file, repo, revision) for file in publication.models)


def entry_id(publication: Publication, file: ExportedFile) -> str:
    """The run's name, with the quantization where several are published."""
    name = publication.record.parsed.name
    return name if len(publication.models) == 1 else f"{name}-{file.kind}"


def _entry(publication: Publication, file: ExportedFile, repo: str, revision: str) -> str:
    config, origin = publication.record.parsed, publication.origin
    values: dict[str, str | int] = {
        "id": entry_id(publication, file),
        "label": f"{config.name} {file.kind.upper()}",
        "base": origin.name,
        "size": publication.size,
        "rank": config.lora.rank,
        "alpha": config.lora.alpha,
        "quantization": file.kind,
        "licence": origin.terms.label,
        "sha256": file.sha256,
        "file_size_bytes": file.size_bytes,
    }
    source = {"kind": "hf", "repo": repo, "file": file.name} | ({"revision": revision} if revision else {})
    return "\n".join(["[[model]]", *_lines(values), "", "[model.source]", *_lines(source), ""])


def _lines(values: dict[str, str | int] | dict[str, str]) -> list[str]:
    # JSON's texts and whole numbers are TOML's too.
    return [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
