import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from data.files import sha256_of
from data.gguf.header import read_header
from data.gguf.lora import merge_adapter, read_adapter, write_adapter
from data.gguf.write import F16, F32, NewTensor, copied_metadata, copied_tensor, text, uint32, write_gguf
from data.manifest import read_manifest, write_manifest
from tests.data.gguf_models import values
from tests.training.conftest import Tiny, Trained, copy_of
from training.checkpoints.export import export
from training.checkpoints.tensors import unpermute
from training.config import TrainingError
from training.parity.checks import Check
from training.parity.gate import verify
from training.run_directory import RunDirectory, read_record, write_record
from training.verify import main

pytestmark = pytest.mark.slow  # every file runs in llama.cpp

Weights = npt.NDArray[np.floating[Any]]


@pytest.fixture
def exported(any_exported: RunDirectory) -> RunDirectory:
    """Of every architecture: the same gate, the same deliberate breakages."""
    return any_exported


@pytest.fixture
def llama(tiny_run: Trained, tmp_path: Path) -> RunDirectory:
    """Of one, for what does not depend on it."""
    return copy_of(tiny_run, tmp_path)


def failed(checks: Sequence[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def judge(run: RunDirectory, *, kinds: Sequence[str] = ("adapter", "f16")) -> set[str]:
    """What the gate finds wrong in these files, their sums being right."""
    files = {run.gguf(kind).name: sha256_of(run.gguf(kind)) for kind in kinds}
    write_manifest(run.manifest, replace(read_manifest(run.manifest), files=files))
    found = failed(verify(run, replies=0))
    assert read_manifest(run.parity).extra["passed"] == (not found)
    return found


def rewrite(
    path: Path,
    metadata: Mapping[str, bytes] | None = None,
    change: Callable[[str, Weights], Weights | None] = lambda name, weights: None,
) -> None:
    """A GGUF with other metadata (empty bytes drop a key), or with the tensors that `change` returns."""
    header = read_header(path)
    new = {key: value for key, value in (copied_metadata(path, header) | (metadata or {})).items() if value}
    old = values(path)
    tensors = []
    for tensor in header.tensors:
        changed = change(tensor.name, old[tensor.name])
        kept = copied_tensor(path, tensor)
        tensors.append(kept if changed is None else _new(tensor.name, changed))
    temporary = path.with_name("rewritten.gguf")
    write_gguf(temporary, new, tensors)
    temporary.replace(path)


def _new(name: str, weights: Weights) -> NewTensor:
    kind, dtype = (F32, np.float32) if weights.ndim == 1 else (F16, np.float16)
    return NewTensor(
        name=name, dimensions=weights.shape[::-1], kind=kind, content=lambda: [weights.astype(dtype).tobytes()]
    )


def trained_on_a_gguf(run: RunDirectory, tiny: Tiny, directory: Path) -> None:
    """The run as if its base had been a GGUF, exported anew."""
    from training.checkpoints.write_gguf import write_gguf as write_base

    base, record = directory / "base.gguf", read_record(run)
    write_base(tiny.base, base, name="base", tokenizer=Path(record.data_path) / "tokenizer")
    config = {**record.config, "base": {**record.config["base"], "name": str(base)}}
    write_record(run, replace(record, config=config, base_sha256=sha256_of(base)))
    export(run, ["f16"])


def heads_of(name: str) -> int | None:
    """How many heads the rows of a tensor would be permuted by."""
    return {"attn_q.weight": 4, "attn_k.weight": 2}.get(name.partition(".")[2].partition(".")[2])


def again(run: RunDirectory, change: Callable[[str, Weights], Weights], *, alpha: float = 8) -> Path:
    """The adapter once more, with other B matrices or another alpha."""
    path, adapter = run.gguf("adapter"), read_adapter(run.gguf("adapter"))
    changed = {name: (a, change(name, b)) for name, (a, b) in adapter.tensors.items()}
    write_adapter(path, changed, alpha=alpha, name="tiny", base="tiny", architecture=adapter.architecture)
    return path


def merge_again(run: RunDirectory, tiny: Tiny, adapter: Path) -> None:
    from training.checkpoints.write_gguf import write_gguf as write_base

    base = run.path / "base.gguf"
    write_base(tiny.base, base, name="tiny", tokenizer=Path(read_record(run).data_path) / "tokenizer")
    merge_adapter(base, adapter, run.gguf("f16"))


def test_what_was_exported_is_what_was_trained(exported: RunDirectory) -> None:
    checks = verify(exported, replies=3)
    assert failed(checks) == set()
    found = {(check.file, check.name): check.value for check in checks}
    f16, q8 = (exported.gguf(kind).name for kind in ("f16", "q8_0"))
    assert float(found[f16, "mean KL, nats"]) < 1e-4
    assert float(found[f16, "mean KL, nats"]) < float(found[q8, "mean KL, nats"]) < 0.01
    assert float(found[f16, "same next token"]) == 1
    assert (q8, "replies that stop") in found
    verdict = read_manifest(exported.parity)
    assert verdict.kind == "parity"
    assert verdict.files == read_manifest(exported.manifest).files
    assert verdict.extra["passed"] is True
    assert verdict.extra["checks"] == [check.as_json() for check in checks]


def test_perplexity_is_torchs_on_the_answers(exported: RunDirectory) -> None:
    import torch
    from pyarrow import parquet

    from training.parity.reference import ReferenceModel

    record = read_record(exported)
    data = Path(record.data_path)
    reference = ReferenceModel(Path(record.base_path), exported.adapter, data / "tokenizer")
    wrong: list[float] = []
    for row in parquet.read_table(data / "validation.parquet").to_pylist():
        scores = torch.from_numpy(reference.distributions(row["input_ids"]))[:-1]
        labels = torch.tensor(row["labels"])[1:]
        wrong += torch.nn.functional.nll_loss(scores, labels, ignore_index=-100, reduction="none")[labels >= 0].tolist()
    checks = verify(exported, replies=0)
    found = next(check for check in checks if check.name == "held-out perplexity" and ".f16." in check.file)
    assert float(found.value) == pytest.approx(np.exp(np.mean(wrong)), rel=1e-3)


def test_a_wrong_end_of_turn_fails(exported: RunDirectory) -> None:
    rewrite(exported.gguf("f16"), {"tokenizer.ggml.eos_token_id": uint32(2)})
    assert judge(exported) == {"end-of-turn token"}


def test_a_doubled_beginning_fails(exported: RunDirectory) -> None:
    header = read_header(exported.gguf("f16"))
    doubled = "{{- bos_token }}" + str(header.chat_template)  # Qwen's own has none, so that one is one too many
    rewrite(exported.gguf("f16"), {"tokenizer.chat_template": text(doubled)})
    assert judge(exported) == {
        "prompts without exactly one BOS",
        "prompts read as other tokens",
        "chat template is the trained one",
    }


def test_rows_of_q_and_k_in_another_order_fail(exported: RunDirectory) -> None:
    """A Llama's in the checkpoint's order; a Qwen's, which are in it, in any other."""

    def reorder(name: str, weights: Weights) -> Weights | None:
        heads = heads_of(name)
        return unpermute(weights, heads) if heads else None

    rewrite(exported.gguf("f16"), change=reorder)
    assert "mean KL, nats" in judge(exported)


def test_an_adapter_with_rows_of_q_and_k_in_another_order_fails(exported: RunDirectory, any_run: Trained) -> None:
    def reorder(name: str, b: Weights) -> Weights:
        heads = heads_of(name)
        return unpermute(b, heads) if heads else b

    merge_again(exported, any_run[0], again(exported, reorder))
    assert {"largest change of a weight", "mean KL, nats"} <= judge(exported)


@pytest.mark.parametrize(
    ("architecture", "part", "forgotten"),
    [("qwen2", "attn_k.bias", 0), ("qwen2", "attn_v.bias", 0), ("qwen3", "_q_norm.weight", 1)],
)
def test_biases_and_norms_of_heads_that_were_forgotten_fail(
    run_of: Callable[[str], Trained], tmp_path: Path, architecture: str, part: str, forgotten: float
) -> None:
    run = copy_of(run_of(architecture), tmp_path)
    found = [name for name in values(run.gguf("f16")) if name.endswith(part)]
    assert len(found) == 2

    def forget(name: str, weights: Weights) -> Weights | None:
        return np.full_like(weights, forgotten) if name in found else None

    rewrite(run.gguf("f16"), change=forget)
    assert "mean KL, nats" in judge(run)


def test_a_wrong_alpha_fails(exported: RunDirectory, any_run: Trained) -> None:
    merge_again(exported, any_run[0], again(exported, lambda name, b: b, alpha=16))
    assert {"alpha", "mean KL, nats"} <= judge(exported)


def test_another_runs_adapter_fails(exported: RunDirectory, any_run: Trained) -> None:
    rng = np.random.default_rng(0)
    other = again(exported, lambda name, b: (rng.standard_normal(b.shape) * b.astype(float).std()).astype(np.float16))
    merge_again(exported, any_run[0], other)
    assert {"largest change of a weight", "mean KL, nats"} <= judge(exported)


def test_the_untrained_base_fails(exported: RunDirectory, any_run: Trained) -> None:
    from training.checkpoints.write_gguf import write_gguf as write_base

    tokenizer = Path(read_record(exported).data_path) / "tokenizer"
    write_base(any_run[0].base, exported.gguf("f16"), name="tiny", tokenizer=tokenizer)
    assert "mean KL, nats" in judge(exported)


def test_another_splitting_rule_fails(exported: RunDirectory) -> None:
    rewrite(exported.gguf("f16"), {"tokenizer.ggml.pre": text("smollm")})
    assert judge(exported) == {"tokenizer.ggml.pre"}


def test_missing_rotary_factors_fail(llama: RunDirectory) -> None:
    path = llama.gguf("f16")
    header = read_header(path)
    kept = [copied_tensor(path, tensor) for tensor in header.tensors if tensor.name != "rope_freqs.weight"]
    write_gguf(path.with_name("without.gguf"), copied_metadata(path, header), kept)
    path.with_name("without.gguf").replace(path)
    assert "rope_freqs.weight is there" in judge(llama)


def test_a_missing_chat_template_fails(exported: RunDirectory) -> None:
    rewrite(exported.gguf("f16"), {"tokenizer.chat_template": b""})
    assert {"prompt tokens", "chat template is the trained one"} <= judge(exported)


def test_a_model_with_another_vocabulary_fails_in_one_line(exported: RunDirectory, embedded_model: Path) -> None:
    exported.gguf("f16").write_bytes(embedded_model.read_bytes())
    assert {"vocabulary", "end-of-turn token", "prompts read as other tokens"} <= judge(exported)


def test_a_quantized_file_has_limits_of_its_own(exported: RunDirectory) -> None:
    rng = np.random.default_rng(0)

    def disturb(name: str, weights: Weights) -> Weights | None:
        noise = rng.standard_normal(weights.shape) * weights.std() / 2
        return weights + noise if "ffn" in name and weights.ndim == 2 else None

    exported.gguf("f16").replace(exported.gguf("q8_0"))
    rewrite(exported.gguf("q8_0"), change=disturb)
    assert judge(exported, kinds=["adapter", "q8_0"]) == {"mean KL, nats"}


def test_an_adapter_of_a_gguf_is_judged_as_it_runs_too(
    exported: RunDirectory, any_run: Trained, tmp_path: Path
) -> None:
    trained_on_a_gguf(exported, any_run[0], tmp_path)
    name = f"{exported.name}.adapted.gguf"
    checks = verify(exported, replies=0)
    assert not failed(checks)
    assert {"mean KL, nats", "perplexity increase over F16"} <= {check.name for check in checks if check.file == name}
    again(exported, lambda tensor, b: 40 * b)
    worse = {check.name for check in verify(exported, replies=0) if check.file == name and not check.passed}
    assert "mean KL, nats" in worse


def test_a_file_that_changed_since_the_export_fails_by_its_sum(llama: RunDirectory) -> None:
    rewrite(llama.gguf("f16"), {"general.name": text("another")})
    assert failed(verify(llama, replies=0)) == {"sha256"}


def test_what_cannot_be_judged_says_what_to_do(llama: RunDirectory) -> None:
    def refusal() -> str:
        with pytest.raises(TrainingError) as caught:
            verify(llama)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    llama.gguf("f16").write_bytes(b"GGUF, not")
    sums = {name: sha256_of(llama.export / name) for name in read_manifest(llama.manifest).files}
    write_manifest(llama.manifest, replace(read_manifest(llama.manifest), files=sums))
    assert refusal().startswith("tiny.f16.gguf")
    llama.gguf("f16").unlink()
    assert f"tiny.f16.gguf: missing; run python -m training.export {llama.path}" in refusal()
    write_record(llama, replace(read_record(llama), data_path="/none"))
    llama.gguf("f16").touch()
    assert "the run's data are gone" in refusal()
    llama.manifest.unlink()
    assert "nothing is exported; run python -m training.export" in refusal()


def test_a_full_gpu_says_how_to_go_on(llama: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def full(*arguments: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("training.parity.reference.ReferenceModel.distributions", full)
    with pytest.raises(TrainingError, match="out of GPU memory for the reference in float32; end what else uses"):
        verify(llama)


def test_the_command_prints_the_table_and_its_exit_code_is_the_verdict(
    llama: RunDirectory, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(llama.path), "--replies", "0"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].split() == ["file", "check", "value", "limit"]
    assert err.splitlines()[-1].endswith(f"next: python -m training.publish {llama.path} --repo NAMESPACE/NAME")
    record = read_record(llama)
    strict = json.loads(json.dumps(record.config)) | {"export": {"max_f16_kl": 1e-12, "quantizations": ["q8_0"]}}
    write_record(llama, replace(record, config=strict))
    assert main([str(llama.path), "--replies", "0"]) == 1
    out, err = capsys.readouterr()
    assert sum(line.endswith("FAILED") for line in out.splitlines()) == 1
    assert "error: 1 of " in err
    assert "do not ship these files" in err
