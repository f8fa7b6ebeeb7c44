from collections.abc import Sequence

import pytest
import torch

from training.config import CONFIGS_DIR, Config, TrainingError, load_config
from training.fit import backends
from training.fit.backends import BackendChoice, choose

NAMES = {"Tesla T4": False, "NVIDIA A100": True}


def tiny(*changes: str) -> Config:
    return load_config(CONFIGS_DIR / "tiny.toml", changes)


def refusal(config: Config, wanted: str = "auto") -> str:
    with pytest.raises(TrainingError) as caught:
        choose(config, wanted)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def installed(monkeypatch: pytest.MonkeyPatch, packages: Sequence[str]) -> None:
    monkeypatch.setattr(backends, "find_spec", lambda name: object() if name in packages else None)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    installed(monkeypatch, ["unsloth", "bitsandbytes"])


@pytest.fixture(params=NAMES)
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A card, by its name."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=0: request.param)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: NAMES[request.param])
    installed(monkeypatch, ["unsloth", "bitsandbytes"])
    return str(request.param)


@pytest.mark.usefixtures("no_gpu")
def test_without_a_gpu_trl_trains_in_fp32_though_unsloth_is_installed() -> None:
    assert choose(tiny(), "auto") == BackendChoice(
        backend="trl", reason="no GPU", device="cpu", device_name="CPU", precision="fp32", world_size=1
    )
    assert choose(tiny("training.precision=bf16"), "trl").precision == "bf16"


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize(
    ("change", "wanted", "message"),
    [
        ("base.load_in_4bit=true", "auto", "there is no GPU here; train on one, or --set base.load_in_4bit=false"),
        ("training.optimizer=adamw_8bit", "auto", "needs a GPU; --set training.optimizer=adamw_torch"),
        ("training.precision=fp16", "auto", "training.precision is 'fp16', which needs a GPU; use auto, bf16 or fp32"),
        ("lora.rank=4", "unsloth", "--backend unsloth needs a GPU, and there is none"),
    ],
)
def test_what_needs_a_gpu_is_refused_without_one(change: str, wanted: str, message: str) -> None:
    assert message in refusal(tiny(change), wanted)


def test_on_a_gpu_unsloth_trains_in_what_the_card_can(gpu: str) -> None:
    found = choose(load_config(CONFIGS_DIR / "llama-3.2-1b-r8.toml"), "auto")
    assert (found.backend, found.reason) == ("unsloth", "a GPU and Unsloth are there")
    assert (found.device, found.device_name) == ("cuda:0", gpu)
    assert found.precision == ("bf16" if NAMES[gpu] else "fp16")


def test_bf16_is_refused_where_the_card_lacks_it(gpu: str) -> None:
    config = tiny("training.precision=bf16")
    if NAMES[gpu]:
        assert choose(config, "auto").precision == "bf16"
    else:
        assert "training.precision is 'bf16', which Tesla T4 lacks; use auto" in refusal(config)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_without_unsloth_trains_by_trl_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, ["bitsandbytes"])
    assert choose(tiny(), "auto").reason == "Unsloth is not installed"
    assert choose(tiny(), "trl").reason == "asked for"
    assert "--backend unsloth: it is not installed; pip install unsloth==" in refusal(tiny(), "unsloth")


@pytest.mark.usefixtures("gpu")
def test_eight_bits_need_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, [])
    assert "needs bitsandbytes" in refusal(tiny("training.optimizer=adamw_8bit"))


@pytest.mark.usefixtures("gpu")
def test_each_process_has_its_own_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert (choose(tiny(), "trl").device, choose(tiny(), "trl").world_size) == ("cuda:3", 4)
