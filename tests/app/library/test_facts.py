import json
from pathlib import Path

import pytest

from app.library.facts import (
    adapter_manifest,
    memory_need,
    parity_rows,
    table,
    template_switches,
    training_curve,
    training_name,
)
from benchmarks.engine.contract import LoadOptions
from data.models.entries import FileSource, ModelEntry
from data.models.registry import load_registry
from tests.gguf_bytes import LLAMA, gguf_bytes, model_bytes

OPTIONS = LoadOptions(context_tokens=1000, sequences=2)


def local(path: Path) -> ModelEntry:
    path.write_bytes(model_bytes())
    source = FileSource(path=path)
    return ModelEntry(id="a", label="A", base="b", size="1M", quantization="q8_0", licence="MIT", source=source)


def test_memory_is_the_weights_and_the_cache_of_all_sequences(tmp_path: Path, cache: Path) -> None:
    entry = local(tmp_path / "a.gguf")
    need = memory_need(entry, {"a": entry}, OPTIONS)
    assert need is not None
    # 30 layers, 3 heads of 64 for keys and for values, 2 bytes each, 2 sequences of 1,000 tokens
    assert need.kv_bytes == 30 * 3 * (64 + 64) * 2 * 2000
    assert need.total_bytes == need.kv_bytes + (tmp_path / "a.gguf").stat().st_size


def test_the_table_says_what_fits(tmp_path: Path, cache: Path) -> None:
    entry = local(tmp_path / "a.gguf")
    [roomy], [tight] = (table({"a": entry}, OPTIONS, available) for available in (10**9, 10**6))
    assert (roomy["Here"], roomy["Fits"], tight["Fits"]) == (True, True, False)


def test_what_is_not_here_and_of_unknown_size_has_no_figure(cache: Path) -> None:
    registry = load_registry()
    rows = {row["id"]: row for row in table(registry, OPTIONS, 10**9)}
    assert rows["llama-3.2-1b-instruct"]["Needs, MB"] is None or rows["llama-3.2-1b-instruct"]["File, MB"]
    assert rows["smollm2-135m"]["Here"] is False and rows["smollm2-135m"]["File, MB"] == pytest.approx(98.4, abs=0.1)


def test_every_embedded_fine_tune_has_its_manifest_and_curve() -> None:
    registry = load_registry()
    tuned = [entry for entry in registry.values() if training_name(entry)]
    assert tuned
    for entry in tuned:
        manifest, curve = adapter_manifest(entry), training_curve(training_name(entry) or "")
        assert manifest is not None and manifest["rank"] == entry.rank
        assert {reading["text"] for reading in curve} == {"training", "validation"}


def test_a_parity_verdict_is_shown_check_by_check(tmp_path: Path) -> None:
    checks = [
        {"name": "mean KL", "file": "f16", "value": 1e-6, "limit": "at most 1e-4", "passed": True},
        {"name": "BOS", "file": "f16", "value": 2, "limit": "is 1", "passed": False},
        {"name": "perplexity", "file": "f16", "value": 9.1, "limit": "", "passed": True},
    ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "parity.json").write_text(json.dumps({"extra": {"checks": checks}}))
    assert [row[""] for row in parity_rows("mine", [tmp_path])] == ["passed", "failed", "reported"]
    assert parity_rows("other", [tmp_path]) == []


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "metrics.jsonl").write_text("{\n")
    (tmp_path / "mine" / "parity.json").write_text("[]")
    assert training_curve("mine", tmp_path) == [] == parity_rows("mine", [tmp_path])


def test_the_settings_of_a_models_chat_template_are_read_from_its_file(tmp_path: Path, cache: Path) -> None:
    templates = {
        "thinks": "{% if enable_thinking %}<think>{% endif %}",
        "broken": "{% if %}",
        "plain": "{{ messages }}",
    }
    found = {}
    for name, template in templates.items():
        entry = local(tmp_path / f"{name}.gguf")
        (tmp_path / f"{name}.gguf").write_bytes(gguf_bytes({**LLAMA, "tokenizer.chat_template": template}))
        found[name] = template_switches(entry, {})
    assert found == {"thinks": ("enable_thinking",), "broken": (), "plain": ()}
