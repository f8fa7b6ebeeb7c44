"""Fine-tunes that `training.publish` has put under one namespace of the Hub, as registry entries.

`TRADEOFF_HUB_NAMESPACE` names a user or an organisation. A published repository has the tag `tradeoff` and a
`models.toml` with one entry for each GGUF, pinned by sha256. Private and gated ones are found with a token (HF_TOKEN)
that may read them.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from data.cache import cache_dir
from data.hub import host, look_up
from data.progress import ModelError
from data.registry import HubSource, ModelEntry, RegistryError, load_registry

if TYPE_CHECKING:
    from huggingface_hub import HfApi

VARIABLE = "TRADEOFF_HUB_NAMESPACE"
TAG = "tradeoff"
ENTRIES_FILE = "models.toml"
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_MOST_REPOSITORIES = 50


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is offered, and one line for each repository that cannot be."""

    entries: tuple[ModelEntry, ...] = ()
    problems: tuple[str, ...] = ()


def namespace() -> str | None:
    """The namespace that is set; None where none is.

    Raises:
        ModelError: It cannot be one.
    """
    name = os.environ.get(VARIABLE, "").strip()
    if name and not _NAMESPACE.fullmatch(name):
        raise ModelError(f"{VARIABLE} is {name[:60]!r}; set it to the name of a user or an organisation on the Hub")
    return name or None


def is_offline() -> bool:
    """Whether the Hub is not to be asked, by `HF_HUB_OFFLINE`."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def published(owner: str, known: Mapping[str, ModelEntry]) -> Found:
    """Look up what the namespace has published; ids and files that `known` has are left out.

    Raises:
        ModelError: The Hub cannot be asked.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    api = HfApi(endpoint=host())
    try:
        names = [model.id for model in api.list_models(author=owner, filter=TAG, limit=_MOST_REPOSITORIES)]
    except (HfHubHTTPError, httpx.HTTPError, OfflineModeIsEnabled) as error:
        why = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the models of {owner} cannot be looked up at {host()} ({why}); those here still work"
        ) from None
    taken = {entry.sha256 for entry in known.values()}
    entries: dict[str, ModelEntry] = {}
    problems = []
    for name in names:
        try:
            offered = _offered(api, name)
        except ModelError as error:
            problems.append(str(error))
            continue
        new = (entry for entry in offered if entry.id not in known and entry.sha256 not in taken)
        entries |= {entry.id: entry for entry in new}
    return Found(entries=tuple(entries.values()), problems=tuple(problems))


def _offered(api: "HfApi", repo: str) -> list[ModelEntry]:
    """The entries of one repository, at its commit of now; none may name a file of anywhere else."""
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    commit = look_up(HubSource(repo=repo, file=ENTRIES_FILE), None).revision
    try:
        path = Path(api.hf_hub_download(repo, ENTRIES_FILE, revision=commit, cache_dir=cache_dir() / "catalogue"))
        entries = load_registry(path).values()
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        raise ModelError(f"{repo}: {' '.join(str(error).split())[:200]}") from None
    except RegistryError as error:
        raise ModelError(f"{repo}: {error}") from None
    return [_pinned(entry, repo, commit) for entry in entries]


def _pinned(entry: ModelEntry, repo: str, commit: str) -> ModelEntry:
    source = entry.source
    if not isinstance(source, HubSource) or source.repo != repo or entry.sha256 is None:
        raise ModelError(f"{repo}: its {ENTRIES_FILE} has an entry {entry.id!r} that is not a pinned file of it")
    return replace(entry, source=replace(source, revision=commit), note=f"Card and results: {host()}/{repo}")
