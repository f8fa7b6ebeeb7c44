"""A model in words: in a list of many, and to somebody who has never heard of it."""

from data.files import size_text
from data.models.entries import DerivedSource, ModelEntry, Registry, deployed_bytes


def picker_name(entry: ModelEntry, measured: str | None, *, here: bool) -> str:
    """Label, then size, quantization and rank where the label does not have them, then what was measured."""
    facts = [*_size(entry), *_quantization(entry), *([f"LoRA r{entry.rank}"] if entry.rank else [])]
    parts = [entry.label, *(fact for fact in facts if fact.lower() not in entry.label.lower())]
    return " · ".join([*parts, *([measured] if measured else [])]) + ("" if here else " (to download)")


def in_words(entry: ModelEntry, registry: Registry) -> str:
    """What was done to which original, and how large the file is."""
    parts, layers, source = [entry.base], 0, entry.source
    while isinstance(source, DerivedSource):
        layers += len(source.drop_layers)
        source = registry[source.base].source
    if layers:
        parts.append(f"without {layers} of its layers")
    if entry.rank:
        parts.append(f"fine-tuned with LoRA of rank {entry.rank}")
    parts += [f"stored as {each}" for each in _quantization(entry)]
    return ", ".join(parts) + (f": {size}." if (size := _size_on_disk(entry, registry)) else ".")


def _size_on_disk(entry: ModelEntry, registry: Registry) -> str:
    own, whole = entry.file_size_bytes, deployed_bytes(entry, registry)
    if not own or not whole:
        return ""
    return size_text(own) if own == whole else f"{size_text(whole - own)}, and an adapter of {size_text(own)}"


def _size(entry: ModelEntry) -> list[str]:
    """One, or none where it is not known."""
    return [] if entry.size in ("?", "unknown") else [entry.size]


def _quantization(entry: ModelEntry) -> list[str]:
    known = entry.quantization.partition(" ")[0]  # what was guessed by a name says so behind it
    return [] if known == "unknown" else [known.upper()]
