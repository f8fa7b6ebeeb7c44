"""The published fine-tunes of a namespace join the registry while the app runs."""

import threading
from collections.abc import Mapping, MutableMapping

from data.errors import ModelError
from data.models.card import CardSection
from data.models.entries import ModelEntry
from data.models.published import is_offline, namespace, published


class Catalogue:
    """Looks the namespace up once, in the background; `registry` gets the entries.

    Attributes:
        offered: Ids of the entries; the registry file of added models does not keep those.
        cards: What the repositories of the entries say of them, by repository.
        problem: Why something is not offered, in one line.
    """

    def __init__(self, registry: MutableMapping[str, ModelEntry]) -> None:
        self._registry = registry
        self.problem: str | None = None
        self.offered: set[str] = set()
        self.cards: Mapping[str, tuple[CardSection, ...]] = {}

    def start(self) -> None:
        if not is_offline():
            threading.Thread(target=self.look, name="catalogue", daemon=True).start()

    def look(self) -> None:
        """Ask the Hub, where a namespace is set."""
        try:
            if owner := namespace():
                found = published(owner, dict(self._registry))
                self.offered, self.cards = {entry.id for entry in found.entries}, found.cards
                for entry in found.entries:
                    self._registry.setdefault(entry.id, entry)
                self.problem = "; ".join(found.problems) or None
        except ModelError as error:
            self.problem = str(error)

    @property
    def banner(self) -> str | None:
        """What everybody must know on every page: that no model can be fetched."""
        if not is_offline():
            return None
        return "Offline: HF_HUB_OFFLINE is set. Models that are here work; none can be fetched from the Hub."
