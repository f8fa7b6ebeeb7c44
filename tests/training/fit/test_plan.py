import dataclasses
from typing import Any

import pytest

from tests.training.conftest import Tiny
from training.config import CONFIGS_DIR, Config, load_config
from training.fit.plan import count_adapter, count_parameters, memory_bytes, plan, plan_text
from training.sft import main

# config.json of Llama-3.2-1B-Instruct and Llama-3.2-3B-Instruct.
ONE_B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 2048,
    "intermediate_size": 8192,
    "num_hidden_layers": 16,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "vocab_size": 128_256,
    "tie_word_embeddings": True,
}
THREE_B = ONE_B | {"hidden_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 24, "head_dim": 128}


def shipped(name: str, *changes: str) -> Config:
    return load_config(CONFIGS_DIR / f"{name}.toml", changes)


def test_weights_are_counted_as_torch_and_peft_count_them() -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    def counted(shape: dict[str, Any]) -> Any:
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**shape))

    with torch.device("meta"):
        model = counted(ONE_B)
        assert count_parameters(ONE_B) == model.num_parameters() == 1_235_814_400
        for changes in ({"tie_word_embeddings": False}, {"model_type": "qwen2"}, {"model_type": "qwen3"}):
            assert count_parameters(ONE_B | changes) == counted(ONE_B | changes).num_parameters()
        config = shipped("llama-3.2-1b-r8")
        lora = LoraConfig(r=8, target_modules=list(config.lora.target_modules), task_type="CAUSAL_LM")
        trained = get_peft_model(model, lora).num_parameters(only_trainable=True)
    assert count_adapter(ONE_B, config) == trained


def test_the_reports_3b_trains_as_many_weights_as_unsloths_notebook_prints() -> None:
    assert count_adapter(THREE_B, shipped("llama-3.2-3b-r16")) == 24_313_856


@pytest.mark.parametrize(("shape", "name", "measured_gib"), [(ONE_B, "1b-r8", 2.96), (THREE_B, "3b-r16", 5.32)])
def test_the_memory_estimate_is_near_what_was_measured(shape: dict[str, Any], name: str, measured_gib: float) -> None:
    """QLoRA on an H100 by transformers, peft and bitsandbytes, 4 x 1,024 tokens."""
    config = shipped(f"llama-3.2-{name}", "training.micro_batch=4")
    assert memory_bytes(shape, config, "bf16") / 2**30 == pytest.approx(measured_gib, rel=0.35)


def test_memory_falls_with_what_the_error_message_proposes() -> None:
    config = shipped("llama-3.2-1b-r8", "training.micro_batch=4", "training.gradient_checkpointing=off")
    before = memory_bytes(ONE_B, config, "bf16")
    for change in ("training.micro_batch=2", "training.gradient_checkpointing=on", "training.max_length=512"):
        table, _, value = change.removeprefix("training.").partition("=")
        kind: Any = int(value) if value.isdigit() else value
        training = dataclasses.replace(config.training, **{table: kind})
        assert memory_bytes(ONE_B, dataclasses.replace(config, training=training), "bf16") < before


def test_steps_and_tokens_are_those_of_the_trainer(tiny: Tiny) -> None:
    found = plan(tiny.config("training.max_steps=0", "training.epochs=1.5"), runs=tiny.runs)
    assert (found.train_rows, found.steps) == (36, 14)  # 9 steps an epoch, rounded up as the trainer does
    once = plan(tiny.config("training.max_steps=9"), runs=tiny.runs)
    assert found.tokens == pytest.approx(once.tokens * 14 / 9, abs=1)
    assert (found.backend, found.device, found.precision) == ("trl", "CPU", "fp32")
    assert found.seconds is not None
    assert found.seconds > 0


def test_the_time_of_an_unknown_card_is_unknown(tiny: Tiny) -> None:
    known = plan(tiny.config(), runs=tiny.runs)
    unknown = dataclasses.replace(known, seconds=None, basis="nothing is known of Card")
    assert "time      unknown (estimate: nothing is known of Card)" in plan_text(unknown)


def test_a_dry_run_says_what_it_would_take_and_trains_nothing(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny.options(), "--dry-run"]) == 0
    said = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert set(said) == {"backend", "data", "steps", "weights", "memory", "time"}
    assert said["steps"].startswith("6 optimizer steps, ")
    assert said["memory"].startswith("about ")
    assert not (tiny.runs / "tiny").exists()


def test_processes_that_do_not_share_the_batch_evenly_are_refused_at_once(
    tiny: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    for options in ([], ["--dry-run"]):
        assert main([*tiny.options(), *options]) == 1
        message = "effective_batch is 4; 3 processes with micro_batch 2 make 6, which does not divide it"
        assert message in capsys.readouterr().err
    assert not tiny.runs.exists()
