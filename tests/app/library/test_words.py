from dataclasses import replace
from pathlib import Path

from app.library.words import in_words, picker_name
from data.models.entries import FileSource, ModelEntry
from data.models.registry import project_registry

MINE = ModelEntry(
    id="mine",
    label="Mine",
    base="Something 1B",
    size="1B",
    quantization="q4_k_m (by its name)",
    licence="MIT",
    source=FileSource(path=Path("/mine.gguf")),
    rank=8,
)


def test_a_picker_adds_to_the_label_what_it_does_not_say_and_what_was_measured() -> None:
    assert picker_name(MINE, "104 tok/s, 26% right", here=True) == "Mine · 1B · Q4_K_M · LoRA r8 · 104 tok/s, 26% right"
    assert picker_name(replace(MINE, label="Mine 1B · LoRA r8 · q4_k_m"), None, here=False) == (
        "Mine 1B · LoRA r8 · q4_k_m (to download)"
    )
    assert picker_name(replace(MINE, size="?", quantization="unknown", rank=None), None, here=True) == "Mine"


def test_every_label_of_the_registry_says_size_quantization_and_rank_and_none_is_there_twice() -> None:
    registry = project_registry()
    for entry in registry.values():
        assert picker_name(entry, None, here=True) == entry.label
    assert len({entry.label for entry in registry.values()}) == len(registry)


def test_a_model_in_words_says_what_was_done_to_which_original() -> None:
    registry = project_registry()
    assert in_words(registry["smollm2-small-r8"], registry) == (
        "SmolLM2-135M-Instruct, without 10 of its layers, fine-tuned with LoRA of rank 8, stored as Q8_0: 107 MB."
    )
    assert in_words(replace(MINE, rank=None), {}) == "Something 1B, stored as Q4_K_M."
    assert in_words(registry["qwen2.5-coder-0.5b-r8"], registry) == (
        "Qwen2.5-Coder-0.5B-Instruct, fine-tuned with LoRA of rank 8, stored as Q4_K_M: 491 MB, and an adapter of 9 MB."
    )
