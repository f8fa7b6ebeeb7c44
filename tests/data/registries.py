"""Registry entries for tests."""

from data.models.entries import ModelEntry, ModelSource


def entry(
    source: ModelSource, model_id: str = "tiny", sha256: str | None = None, size: int | None = None
) -> ModelEntry:
    return ModelEntry(
        id=model_id,
        label="Tiny",
        base="Tiny",
        size="1M",
        quantization="f16",
        licence="MIT",
        source=source,
        sha256=sha256,
        file_size_bytes=size,
    )
