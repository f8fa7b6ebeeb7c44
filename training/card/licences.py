"""What the base model's licence asks of whoever publishes a fine-tune of it.

Llama 3.2 Community License, section 1.b: a copy of the agreement with every copy, "Built with Llama" shown
prominently, a name that starts with "Llama", and a NOTICE file. Apache 2.0, section 4: a copy of the licence, and a
note that files were changed. https://www.llama.com/llama3_2/license/
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from data.models.entries import DerivedSource, ModelEntry, Registry
from data.models.registry import get, load_registry
from data.paths import ROOT
from training.config import Base, TrainingError

APACHE_TEXT = ROOT / "LICENSE"
_LLAMA_VERSIONS = ("3.1", "3.2", "3.3")


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A licence, and what it asks for.

    Attributes:
        id: As the Hub writes it in a model card.
        name_start: What the published name must start with; empty for anything.
        notice: Text that a NOTICE file must hold; empty for none.
        credit: Shown at the top of the model card; empty for none.
    """

    id: str
    label: str
    url: str = ""
    name_start: str = ""
    notice: str = ""
    credit: str = ""

    @property
    def needs_copy(self) -> bool:
        """Whether the licence's own text must lie beside the files."""
        return bool(self.url)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The model that was fine-tuned, as a reader of the card finds it.

    Attributes:
        repository: On the Hub; empty for one that is only on a disk.
        size: Its parameters as people say it, such as "1B"; empty where nothing tells.
        file: What exactly was trained on, where that is not the original; for the card.
        dropped_layers: Of the original, removed before training.
        licence_repository: Where on the Hub the licence's text is.
    """

    name: str
    repository: str
    size: str
    terms: Terms
    licence_repository: str = ""
    file: str = ""
    dropped_layers: tuple[int, ...] = ()

    @property
    def described(self) -> str:
        """The name, and what was removed from the model."""
        layers = ", ".join(map(str, self.dropped_layers))
        return f"{self.name} without layers {layers}" if layers else self.name


def origin_of(base: Base, licence: str = "") -> Origin:
    """The base of a run, with its licence.

    Args:
        licence: The Hub's identifier, for a base whose licence is not known here.

    Raises:
        TrainingError: The licence is not known, or is another than the given one.
    """
    found = _identity(base)
    publisher, known = _publisher(found.name)
    if known and licence and licence != known.id:
        raise TrainingError(f"--licence is {licence!r}, but {found.name} is under {known.id!r}; leave --licence out")
    if not known and not licence:
        raise TrainingError(
            f"the licence of base {found.name!r} is not known here; say it with --licence, such as apache-2.0 "
            "(identifiers: https://huggingface.co/docs/hub/repositories-licenses)"
        )
    official = f"{publisher}/{found.name}" if publisher else ""
    return replace(
        found,
        repository=found.repository or (official if base.source == "registry" else ""),
        size=found.size or _size_in(found.name),
        terms=known or terms_of(licence),
        licence_repository=official,
    )


def terms_of(licence: str) -> Terms:
    """The terms behind one of the Hub's identifiers; nothing is asked for where it is not known here."""
    if licence in {f"llama{version}" for version in _LLAMA_VERSIONS}:
        return _llama(licence.removeprefix("llama"))
    if licence == "apache-2.0":
        return Terms(id=licence, label="Apache-2.0", url="https://www.apache.org/licenses/LICENSE-2.0")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", licence):
        raise TrainingError(f"--licence is {licence!r}; use the Hub's identifiers, such as apache-2.0 or mit")
    return Terms(id=licence, label=licence)


def check_name(repo: str, origin: Origin) -> None:
    """Refuse a repository name that the licence does not allow.

    Raises:
        TrainingError: With a name that it allows.
    """
    namespace, _, name = repo.partition("/")
    start = origin.terms.name_start
    if name.startswith(start):
        return
    rest = name[len(start) :] if name.lower().startswith(start.lower()) else f"-{name}"
    raise TrainingError(
        f"--repo is {repo!r}: {origin.name} is a Llama, and its licence (1.b.i) wants the name of a fine-tune to start "
        f"with {start!r}; use --repo {namespace}/{start}{rest}"
    )


def _llama(version: str) -> Terms:
    name = f"Llama {version}"
    return Terms(
        id=f"llama{version}",
        label=f"{name} Community",
        url=f"https://www.llama.com/llama{version.replace('.', '_')}/license/",
        name_start="Llama",
        notice=f"{name} is licensed under the {name} Community License, Copyright © Meta Platforms, Inc. "
        "All Rights Reserved.",
        credit="Built with Llama",
    )


def _publisher(name: str) -> tuple[str, Terms | None]:
    """Who publishes the original on the Hub, and its licence, by the model's name."""
    for version in _LLAMA_VERSIONS:
        if re.search(rf"llama-?{re.escape(version)}(?!\d)", name, re.IGNORECASE):
            return "meta-llama", _llama(version)
    if re.search(r"smollm\d?-", name, re.IGNORECASE):
        return "HuggingFaceTB", terms_of("apache-2.0")
    if re.search(r"qwen2\.5-(coder-)?(0\.5|1\.5|7|14|32)b|qwen3-\d", name, re.IGNORECASE):  # the 3B and 72B are not
        return "Qwen", terms_of("apache-2.0")
    return "", None


def _identity(base: Base) -> Origin:
    """Name, repository on the Hub and size, as far as the configuration tells; without terms."""
    unknown = Terms(id="", label="")
    if base.source == "hub":
        return Origin(name=base.name.rpartition("/")[2], repository=base.name, size="", terms=unknown)
    if base.source == "path":
        return Origin(name=Path(base.name).name, repository="", size="", terms=unknown)
    registry = load_registry()
    entry = get(registry, base.name)
    return Origin(
        name=entry.base,
        repository="",
        size=entry.size,
        terms=unknown,
        file=f"`{entry.id}` of Tradeoff's registry, {entry.quantization.upper()}",
        dropped_layers=_dropped_layers(entry, registry),
    )


def _dropped_layers(entry: ModelEntry, registry: Registry) -> tuple[int, ...]:
    while isinstance(entry.source, DerivedSource):
        if entry.source.drop_layers:
            return entry.source.drop_layers
        entry = registry[entry.source.base]
    return ()


def _size_in(name: str) -> str:
    found = re.search(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?[MB])(?![A-Za-z0-9])", name)
    return found[1] if found else ""
