"""Fine-tunes that `training.publish` has put under one namespace of the Hub, as registry entries.

`TRADEOFF_HUB_NAMESPACE` names a user or an organisation. A published repository has the tag `tradeoff` and a
`models.toml` with one entry for each GGUF, pinned by sha256. Private and gated ones are found with a token (HF_TOKEN)
that may read them.
"""

import contextlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from data.errors import ModelError
from data.hub.address import HubSource, host
from data.hub.download import look_up, read_text
from data.hub.network import check_access
from data.models.card import CARD_FILE, CardSection, read_card
from data.models.entries import ModelEntry, RegistryError
from data.models.registry import parse_registry
from data.settings import HUB_NAMESPACE

TAG = "tradeoff"
ENTRIES_FILE = "models.toml"
_NAMESPACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_MOST_REPOSITORIES = 50
_MOST_BYTES = 200_000  # of each file that is read


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What is offered.

    Attributes:
        cards: What the repositories say of their models, by repository; some say nothing.
        problems: One line for each repository that cannot be offered.
    """

    entries: tuple[ModelEntry, ...] = ()
    cards: Mapping[str, tuple[CardSection, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def namespace() -> str | None:
    """The namespace that is set; None where none is.

    Raises:
        ModelError: It cannot be one.
    """
    name = HUB_NAMESPACE.read()
    if name and not _NAMESPACE.fullmatch(name):
        raise ModelError(
            f"{HUB_NAMESPACE.name} is {name[:60]!r}; set it to the name of a user or an organisation on the Hub"
        )
    return name


def is_offline() -> bool:
    """Whether the Hub is not to be asked, by `HF_HUB_OFFLINE`."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def published(owner: str, known: Mapping[str, ModelEntry]) -> Offer:
    """Look up what the namespace has published; ids and files that `known` has are left out.

    Raises:
        ModelError: The Hub cannot be asked.
    """
    import httpx
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    check_access()
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
    cards: dict[str, tuple[CardSection, ...]] = {}
    problems = []
    for name in names:
        source = HubSource(repo=name, file=ENTRIES_FILE)
        try:
            source = replace(source, revision=look_up(source, None).revision)
            offered = _offered(source)
        except ModelError as error:
            problems.append(str(error))
            continue
        new = (entry for entry in offered if entry.id not in known and entry.sha256 not in taken)
        entries |= {entry.id: entry for entry in new}
        with contextlib.suppress(ModelError):  # a model without a card can be used all the same
            cards[name] = read_card(_text(replace(source, file=CARD_FILE)), name)
    return Offer(entries=tuple(entries.values()), cards=cards, problems=tuple(problems))


def _offered(source: HubSource) -> list[ModelEntry]:
    """The entries of one repository at a commit; none may name a file of anywhere else."""
    try:
        entries = parse_registry(_text(source), Path(source.file)).values()
    except RegistryError as error:
        raise ModelError(f"{source.repo}: {error}") from None
    return [_pinned(entry, source) for entry in entries]


def _text(source: HubSource) -> str:
    return read_text(source, source.revision or "main", limit_bytes=_MOST_BYTES)


def _pinned(entry: ModelEntry, listed: HubSource) -> ModelEntry:
    source, repo = entry.source, listed.repo
    if not isinstance(source, HubSource) or source.repo != repo or entry.mirrors or entry.sha256 is None:
        raise ModelError(f"{repo}: its {ENTRIES_FILE} has an entry {entry.id!r} that is not a pinned file of it")
    pinned = replace(source, revision=listed.revision)
    return replace(entry, source=pinned, note=f"Card and results: {host()}/{repo}")
