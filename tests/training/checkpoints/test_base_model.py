import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.statistics.divergence import divergence
from data.gguf.header import read_header
from data.gguf.quantize import quantize
from tests.data.gguf_models import values
from tests.gguf_bytes import LLAMA, gguf_bytes
from tests.hub import COMMIT, Hub, Repo
from tests.training.tiny_models import TINY_ARCHITECTURES, write_tiny
from training.checkpoints.base_model import resolve
from training.checkpoints.write_gguf import write_gguf
from training.config import Base, TrainingError

IDS = [0, 3, 50, 60, 4, 70, 80, 90, 5, 100, 7]


def refusal(base: Base) -> str:
    with pytest.raises(TrainingError) as caught:
        resolve(base)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def at(path: Path) -> Base:
    return Base(source="path", name=str(path))


def distributions(checkpoint: Path) -> npt.NDArray[np.float32]:
    """Log-probabilities of a checkpoint, by torch."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    with torch.no_grad():
        found: npt.NDArray[np.float32] = torch.log_softmax(model(torch.tensor([IDS])).logits[0], -1).numpy()
    return found


def edited(base: Path, directory: Path, **changes: Any) -> Path:
    """A copy of a checkpoint with another config.json."""
    shutil.copytree(base, directory)
    config = json.loads((directory / "config.json").read_text())
    (directory / "config.json").write_text(json.dumps(config | changes))
    return directory


@pytest.fixture
def gguf(tiny_base: Path, tmp_path: Path) -> Path:
    return written(tiny_base, tmp_path / "tiny.gguf")


def written(base: Path, out: Path) -> Path:
    write_gguf(base, out, name="tiny", tokenizer=base)
    return out


@pytest.fixture(scope="module", params=[(name, tied) for name in TINY_ARCHITECTURES for tied in (True, False)], ids=str)
def any_base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of each architecture, with an output of its own and without."""
    name, tied = request.param
    return write_tiny(tmp_path_factory.mktemp(name) / "base", name, seed=1, tied=tied)


@pytest.fixture
def on_hub(hub: Hub, tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    hub.repos["me/tiny"] = Repo(files={file.name: file.read_bytes() for file in tiny_base.iterdir()})
    return hub.repos["me/tiny"]


def test_a_checkpoint_written_as_gguf_and_read_again_predicts_the_same(any_base: Path, tmp_path: Path) -> None:
    gguf = written(any_base, tmp_path / "tiny.gguf")
    checkpoint = resolve(at(gguf))
    assert checkpoint.gguf == gguf
    expected, found = distributions(any_base), distributions(checkpoint.path)
    assert np.abs(np.exp(expected) - np.exp(found)).max() < 1e-3  # F16 rounds the weights
    assert (expected.argmax(axis=1) == found.argmax(axis=1)).mean() > 0.9


def test_a_gguf_written_from_its_own_checkpoint_is_the_same_file(any_base: Path, tmp_path: Path) -> None:
    gguf = written(any_base, tmp_path / "tiny.gguf")
    checkpoint = resolve(at(gguf)).path
    write_gguf(checkpoint, tmp_path / "again.gguf", name="tiny", tokenizer=checkpoint)
    first, second = (read_header(path) for path in (gguf, tmp_path / "again.gguf"))
    assert dict(first.metadata) == dict(second.metadata)
    assert gguf.read_bytes() == (tmp_path / "again.gguf").read_bytes()


@pytest.mark.slow
def test_llama_cpp_predicts_what_torch_does(any_base: Path, tmp_path: Path) -> None:
    gguf = written(any_base, tmp_path / "tiny.gguf")
    assert divergence([(distributions(any_base), by_llama_cpp(gguf))]).mean_kl < 1e-4
    tied = json.loads((any_base / "config.json").read_text())["tie_word_embeddings"]
    assert ("output.weight" in {tensor.name for tensor in read_header(gguf).tensors}) == (not tied)


@pytest.mark.slow
@pytest.mark.parametrize("quantization", ["q8_0", "q4_k_m"])
def test_a_quantized_gguf_becomes_the_checkpoint_that_llama_cpp_runs(
    any_base: Path, tmp_path: Path, quantization: str
) -> None:
    """Q4_K_M is how Qwen publishes its models. llama.cpp rounds activations to 8 bits there, so against F16."""
    quantized = tmp_path / f"{quantization}.gguf"
    quantize(written(any_base, tmp_path / "tiny.gguf"), quantized, quantization)
    checkpoint = resolve(at(quantized)).path
    again = written(checkpoint, tmp_path / "again.gguf")
    assert divergence([(distributions(checkpoint), by_llama_cpp(again))]).mean_kl < 1e-4
    for name, found in values(again).items():
        np.testing.assert_array_equal(found, values(quantized)[name].astype(np.float16 if found.ndim == 2 else float))


def by_llama_cpp(gguf: Path) -> npt.NDArray[np.float32]:
    engine = WorkerEngine(gguf, LoadOptions(context_tokens=64))
    try:
        return engine.distributions(IDS)
    finally:
        engine.close()


def test_a_gguf_is_converted_once(gguf: Path) -> None:
    first = resolve(at(gguf))
    stamp = (first.path / "model.safetensors").stat().st_mtime_ns
    assert resolve(at(gguf)) == first
    assert (first.path / "model.safetensors").stat().st_mtime_ns == stamp
    assert [path for path in first.path.parent.iterdir() if path.name.startswith(".")] == []


def test_llama_3s_rotary_scaling_and_special_tokens_survive(tiny_base: Path, gguf: Path) -> None:
    before, after = (json.loads((path / "config.json").read_text()) for path in (tiny_base, resolve(at(gguf)).path))
    keys = ("rope_parameters", "num_key_value_heads", "head_dim", "vocab_size", "tie_word_embeddings")
    assert {key: before[key] for key in keys} == {key: after[key] for key in keys}
    assert after["rms_norm_eps"] == pytest.approx(before["rms_norm_eps"])
    assert (after["bos_token_id"], after["eos_token_id"], after["pad_token_id"]) == (0, 5, 2)


def test_identity_changes_with_the_weights_and_not_with_the_place(tiny_base: Path, tmp_path: Path) -> None:
    identity = resolve(at(tiny_base)).identity
    copy = Path(shutil.copytree(tiny_base, tmp_path / "copy"))
    assert resolve(at(copy)).identity == identity
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert resolve(at(copy)).identity != identity


def test_what_is_no_model_is_one_line(tmp_path: Path) -> None:
    assert refusal(at(tmp_path)).endswith("neither a GGUF nor a directory with config.json")
    assert refusal(at(tmp_path / "none")).endswith("neither a GGUF nor a directory with config.json")
    (tmp_path / "text.gguf").write_text("not a GGUF")
    assert refusal(at(tmp_path / "text.gguf")).startswith(f"base '{tmp_path}/text.gguf': ")
    (tmp_path / "gemma.gguf").write_bytes(gguf_bytes({**LLAMA, "general.architecture": "gemma3"}))
    assert refusal(at(tmp_path / "gemma.gguf")) == (
        f"{tmp_path}/gemma.gguf: architecture 'gemma3' cannot be trained and exported; known: llama, qwen2, qwen3"
    )
    assert "none-such" in refusal(Base(source="registry", name="none-such"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "gemma3"}, "architecture 'gemma3' cannot be trained and exported; known: llama, qwen2, qwen3"),
        ({"model_type": None}, "architecture None cannot be trained and exported; known: llama, qwen2, qwen3"),
        ({"attention_bias": True}, "attention_bias is set in config.json, which a GGUF of architecture 'llama' cannot"),
        ({"model_type": "qwen2", "use_sliding_window": True}, "use_sliding_window is set in config.json"),
        ({"model_type": "qwen3"}, "rope_type is 'llama3'; known for qwen3: default"),
        ({"quantization_config": {"bits": 4}}, "the checkpoint is quantized; take the 16-bit one"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type is 'yarn'; known for llama: "),
    ],
)
def test_a_base_that_could_not_be_exported_is_refused_before_training(
    tiny_base: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert message in refusal(at(edited(tiny_base, tmp_path / "base", **changes)))


def test_a_config_json_that_is_none_is_one_line(tiny_base: Path, tmp_path: Path) -> None:
    base = edited(tiny_base, tmp_path / "base")
    (base / "config.json").write_text("{")
    assert "Expecting property name" in refusal(at(base))


def test_rope_as_transformers_4_writes_it_gives_the_same_file(tiny_base: Path, gguf: Path, tmp_path: Path) -> None:
    scaling = json.loads((tiny_base / "config.json").read_text())["rope_parameters"]
    changes = {"rope_parameters": None, "rope_theta": scaling.pop("rope_theta"), "rope_scaling": scaling}
    older = edited(tiny_base, tmp_path / "older", **changes)
    write_gguf(older, tmp_path / "older.gguf", name="tiny", tokenizer=older)
    assert (tmp_path / "older.gguf").read_bytes() == gguf.read_bytes()


def test_a_base_of_the_hub_is_downloaded_once_at_its_commit(on_hub: Repo, hub: Hub) -> None:
    checkpoint = resolve(Base(source="hub", name="me/tiny"))
    assert (checkpoint.identity, checkpoint.gguf) == (COMMIT, None)
    assert (checkpoint.path / "model.safetensors").read_bytes() == on_hub.files["model.safetensors"]
    downloads = len(hub.downloads())
    assert resolve(Base(source="hub", name="me/tiny", revision=COMMIT)) == checkpoint
    assert len(hub.downloads()) == downloads


def test_a_base_that_is_gated_private_or_absent_says_how_to_get_access(on_hub: Repo) -> None:
    on_hub.access = "gated"
    base = Base(source="hub", name="me/tiny")
    assert refusal(base) == (
        "base 'me/tiny' is gated: ask for access at https://huggingface.co/me/tiny, then set HF_TOKEN to your token"
    )
    on_hub.access = "private"
    expected = "no access to base 'me/tiny': it does not exist, or it is private; check https://huggingface.co/me/tiny"
    assert refusal(base).startswith(expected)
    assert refusal(Base(source="hub", name="me/other")).startswith("no access to base 'me/other'")
    assert "NAMESPACE/NAME" in refusal(Base(source="hub", name="a/b/c"))


def test_a_revision_that_is_not_there_is_named(on_hub: Repo) -> None:
    assert "has no revision 'v9'; see " in refusal(Base(source="hub", name="me/tiny", revision="v9"))


def test_a_repository_of_another_architecture_is_refused(on_hub: Repo) -> None:
    on_hub.files["config.json"] = json.dumps({"model_type": "gemma3"}).encode()
    assert "base 'me/tiny': architecture 'gemma3' cannot be trained" in refusal(Base(source="hub", name="me/tiny"))
