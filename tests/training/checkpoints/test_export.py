import errno
import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from data.errors import TradeoffError
from data.files import sha256_of
from data.gguf.header import read_header
from data.gguf.lora import read_adapter
from data.manifest import read_manifest
from tests.data.gguf_models import values
from tests.data.llama_logits import logits
from tests.training.conftest import Tiny, Trained
from training.checkpoints.adapter import read_peft_adapter
from training.checkpoints.export import export
from training.checkpoints.tensors import checkpoint_name, from_gguf
from training.export import main
from training.run_directory import RunDirectory, read_record, write_record

pytestmark = pytest.mark.slow  # the shared run is exported by llama.cpp


def refusal(run: RunDirectory, *quantizations: str) -> str:
    with pytest.raises(TradeoffError) as caught:
        export(run, quantizations)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def change_settings(run: RunDirectory, **changes: Any) -> None:
    path = run.adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_an_export_is_an_adapter_an_f16_file_and_the_quantizations_with_their_sums(
    tiny_run: tuple[Tiny, RunDirectory],
) -> None:
    run = tiny_run[1]
    names = {"tiny.adapter.gguf", "tiny.f16.gguf", "tiny.q8_0.gguf"}
    assert {path.name for path in run.export.iterdir()} == {*names, "manifest.json"}
    manifest = read_manifest(run.manifest)
    assert dict(manifest.files) == {name: sha256_of(run.export / name) for name in names}
    assert (manifest.kind, manifest.rank, manifest.alpha) == ("gguf", 4, 8)
    assert manifest.base_sha256 == read_record(run).base_sha256
    assert manifest.extra["backend"] == "trl"


def config_of(tiny: Tiny) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((tiny.base / "config.json").read_text())
    return config


def test_the_adapter_holds_what_peft_trained_in_llama_cpps_order(any_run: Trained) -> None:
    tiny, run = any_run
    config = config_of(tiny)
    written, (trained, alpha) = read_adapter(run.gguf("adapter")), read_peft_adapter(run.adapter, config["model_type"])
    assert written.architecture == config["model_type"]
    assert (written.rank, written.alpha, alpha) == (4, 8, 8)
    assert set(written.tensors) == set(trained)
    for name, (a, b) in trained.items():
        found_a, found_b = written.tensors[name]
        np.testing.assert_array_equal(found_a, a.astype(np.float16))
        np.testing.assert_array_equal(from_gguf(name, found_b, config), b.astype(np.float16))


def test_the_merge_without_torch_equals_pefts_to_rounding(any_run: Trained) -> None:
    """Ours adds in float64 to the base in F16, peft's in float32 to the base in float32."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tiny, run = any_run
    config = config_of(tiny)
    base = AutoModelForCausalLM.from_pretrained(tiny.base)
    merged = PeftModel.from_pretrained(base, run.adapter).merge_and_unload().state_dict()
    untouched = load_file(tiny.base / "model.safetensors")
    ours = values(run.gguf("f16"))
    adapted = 0
    for name, found in ours.items():
        if name == "rope_freqs.weight":
            continue
        module = checkpoint_name(name, config["model_type"])
        theirs = merged[module].numpy()
        difference = np.abs(from_gguf(name, found, config) - theirs).max()
        # Two roundings to F16: of the base, and of A and B; 2^-11 of a weight each.
        assert difference <= 2**-10 * np.abs(theirs).max()
        change = np.abs(theirs - untouched[module]).max()
        assert change == 0 or difference < change / 10
        adapted += change > 0
    assert adapted == 14


def test_llama_cpp_computes_the_same_with_the_adapter_beside_the_base_and_merged(
    any_run: Trained, tmp_path: Path
) -> None:
    from training.checkpoints.write_gguf import write_gguf

    tiny, run = any_run
    base = tmp_path / "base.gguf"
    write_gguf(tiny.base, base, name="tiny", tokenizer=tiny.base)
    beside, inside, without = logits(base, run.gguf("adapter")), logits(run.gguf("f16")), logits(base)
    assert np.abs(inside - beside).max() < 0.01 * np.abs(beside - without).max()


def test_the_file_names_itself_its_tokens_and_its_template(any_run: Trained) -> None:
    from training.checkpoints.tokenizer import gguf_tokenizer

    tiny, run = any_run
    expected = gguf_tokenizer(Path(read_record(run).data_path) / "tokenizer", config_of(tiny)["vocab_size"])
    for kind in ("f16", "q8_0"):
        metadata = read_header(run.gguf(kind), keep=tuple(expected)).metadata
        assert metadata["general.name"] == "tiny"
        for key, value in expected.items():
            assert metadata[key] == (tuple(value) if isinstance(value, list) else value)


def test_an_export_of_another_quantization_replaces_the_manifest_and_the_verdict(exported: RunDirectory) -> None:
    exported.parity.write_text("{}")
    paths = export(exported, ["q4_k_m", "f16"])
    assert [path.name for path in paths] == ["tiny.adapter.gguf", "tiny.f16.gguf", "tiny.q4_k_m.gguf"]
    assert set(read_manifest(exported.manifest).files) == {path.name for path in paths}
    assert not exported.parity.exists()
    assert read_header(exported.gguf("q4_k_m")).metadata["general.file_type"] == 15


def test_exporting_twice_gives_the_same_bytes(any_exported: RunDirectory) -> None:
    export(any_exported, ["q4_k_m", "q8_0"])
    before = dict(read_manifest(any_exported.manifest).files)
    export(any_exported, ["q4_k_m", "q8_0"])
    assert dict(read_manifest(any_exported.manifest).files) == before
    assert len(before) == 4


def test_a_run_from_a_registrys_gguf_merges_into_that_file(
    any_run: Trained, any_exported: RunDirectory, tmp_path: Path
) -> None:
    """The base in the file's own precision is what was trained on, so its metadata and vectors stay byte for byte."""
    from training.checkpoints.write_gguf import write_gguf

    tiny, exported = any_run[0], any_exported
    write_gguf(tiny.base, tmp_path / "base.gguf", name="base", tokenizer=tiny.base)
    record = read_record(exported)
    config = {**record.config, "base": {**record.config["base"], "name": str(tmp_path / "base.gguf")}}
    write_record(exported, replace(record, config=config, base_sha256=sha256_of(tmp_path / "base.gguf")))
    export(exported, ["f16"])
    assert read_header(exported.gguf("f16")).metadata["general.name"] == "base"
    expected = values(any_run[1].gguf("f16"))
    for name, found in values(exported.gguf("f16")).items():
        np.testing.assert_array_equal(found, expected[name])


@pytest.mark.parametrize("where", ["write_gguf", "merge_adapter"])
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    exported: RunDirectory, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    shutil.rmtree(exported.export)
    monkeypatch.setattr(f"training.checkpoints.export.{where}", full)
    message = refusal(exported)
    assert message == f"disk full at {exported.export}; make room, then export again: it starts anew"
    assert [path.name for path in exported.export.iterdir()] == ["tiny.adapter.gguf"]


def test_too_little_room_is_said_before_anything_is_written(
    exported: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(exported.export)
    monkeypatch.setattr("data.files.shutil.disk_usage", lambda path: SimpleNamespace(free=1))
    assert "disk full: exporting tiny needs " in refusal(exported)
    assert not exported.gguf("adapter").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "stopped"}, "is stopped, not finished; go on with python -m training.sft --resume"),
        ({"base_sha256": "0" * 40}, "is another than the run was trained on ("),
        ({"data_path": "/none"}, "/none: the run's data are gone; python -m training.prepare writes the same again"),
    ],
)
def test_a_run_that_cannot_be_exported_says_why(exported: RunDirectory, changes: dict[str, str], message: str) -> None:
    write_record(exported, replace(read_record(exported), **changes))  # type: ignore[arg-type]
    assert message in refusal(exported)


@pytest.mark.parametrize("feature", ["use_dora", "use_rslora"])
def test_an_adapter_that_a_plain_merge_does_not_cover_is_refused(exported: RunDirectory, feature: str) -> None:
    change_settings(exported, **{feature: True})
    assert f"the adapter uses {feature}, which cannot be exported" in refusal(exported)


def test_a_missing_foreign_or_untrained_adapter_is_named(exported: RunDirectory) -> None:
    weights = exported.adapter / "adapter_model.safetensors"
    trained = load_file(weights)
    save_file({name: array * 0 if "lora_B" in name else array for name, array in trained.items()}, weights)
    assert "the adapter changes nothing: every B is zero; train it first" in refusal(exported)
    save_file({**trained, "base_model.model.score.weight": np.zeros((2, 2), np.float32)}, weights)
    assert "tensor 'base_model.model.score.weight' is none of a LoRA adapter" in refusal(exported)
    (exported.adapter / "adapter_config.json").unlink()
    assert "no adapter that can be read" in refusal(exported)


def test_the_command_lists_files_and_refuses_unknown_quantizations(
    exported: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(exported.path), "--quant", "Q8_0, f16"]) == 0
    out, err = capsys.readouterr()
    assert [Path(line.split()[0]).name for line in out.splitlines()] == [
        "tiny.adapter.gguf",
        "tiny.f16.gguf",
        "tiny.q8_0.gguf",
    ]
    assert err.splitlines()[-1] == f"next: python -m training.verify {exported.path}"
    assert main([str(exported.path), "--quant", "q9"]) == 1
    assert "error: --quant: unknown 'q9'; known: " in capsys.readouterr().err


def test_what_is_no_run_is_said_with_the_runs_that_are_there(
    exported: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(exported.path.parent / "other")]) == 1
    assert "not a run (no run.json); train one with python -m training.sft CONFIG; runs there: tiny" in (
        capsys.readouterr().err
    )
    exported.record.write_text("{")
    assert main([str(exported.path)]) == 1
    assert "run.json: not JSON (" in capsys.readouterr().err
    exported.record.write_text('{"schema_version": 99}')
    assert main([str(exported.path)]) == 1
    assert "schema version 99; this Tradeoff reads up to 1" in capsys.readouterr().err
