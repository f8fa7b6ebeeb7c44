import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from data.paths import ROOT
from tests.training.conftest import Tiny
from training.config import CONFIGS_DIR, TrainingError, to_dict
from training.fit.train import train
from training.run_directory import RunDirectory, read_record, write_record
from training.sft import main

pytestmark = pytest.mark.slow


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def losses(run: RunDirectory) -> list[tuple[int, float]]:
    return [(line["step"], line["loss"]) for line in lines(run.metrics) if "loss" in line]


def adapter(run: RunDirectory) -> bytes:
    return (run.adapter / "adapter_model.safetensors").read_bytes()


def refusal(tiny: Tiny, *changes: str, **options: Any) -> str:
    with pytest.raises(TrainingError) as caught:
        train(tiny.config(*changes), runs=tiny.runs, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_run_leaves_everything_to_judge_and_repeat_it(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    tiny, run = tiny_run
    record = read_record(run)
    assert (record.status, record.backend, record.backend_reason) == ("finished", "trl", "no GPU")
    assert (record.device, record.precision, record.world_size) == ("CPU", "fp32", 1)
    assert record.parsed == tiny.config()
    assert record.versions["torch"] == torch.__version__
    assert set(record.data_sha256) == {"train.parquet", "validation.parquet"}
    assert run.loss_plot.read_bytes().startswith(b"\x89PNG")
    summary = record.summary
    assert (summary["steps"], summary["trainable_parameters"]) == (6, 32_768)
    assert summary["eval_loss"] == [line["eval_loss"] for line in lines(run.metrics) if "eval_loss" in line][-1]


def test_metrics_are_by_step_with_tokens_and_falling_loss(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    found = losses(tiny_run[1])
    assert [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
    assert found[-1][1] < found[0][1] / 2
    metrics = lines(tiny_run[1].metrics)
    tokens = [line["tokens"] for line in metrics if "tokens" in line]
    assert tokens == sorted(tokens)
    assert all(line["elapsed_s"] >= 0 for line in metrics)


def test_the_last_validation_and_the_last_samples_are_made_once(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    run = tiny_run[1]
    assert [line["step"] for line in lines(run.metrics) if "eval_loss" in line] == [3, 6]
    (sample,) = lines(run.samples)
    assert (sample["step"], sample["prompt"]) == (6, "What is 2 + 3?")
    assert isinstance(sample["reply"], str)


def test_the_adapter_changed_and_the_base_did_not(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    tiny, run = tiny_run
    weights = load_file(run.adapter / "adapter_model.safetensors")
    assert len(weights) == 2 * 2 * 7  # A and B of seven matrices in two layers
    assert all(np.abs(tensor).max() > 0 for tensor in weights.values())
    before = AutoModelForCausalLM.from_pretrained(tiny.base)
    after = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny.base), run.adapter)
    expected = before.state_dict()
    for name, tensor in after.unload().state_dict().items():
        assert torch.equal(tensor, expected[name])


def test_training_ends_with_an_error_where_a_weight_of_the_base_moved(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.fit.monitor import Monitor

    def touch(self: Monitor, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        with torch.no_grad():
            model.base_model.model.model.norm.weight[0] += 1e-3

    monkeypatch.setattr(Monitor, "on_step_end", touch)
    assert refusal(tiny) == "the base's own weights changed during training; only the adapter may"
    assert read_record(RunDirectory(path=tiny.runs / "tiny")).status == "failed"


def test_a_resumed_run_is_bit_equal_to_an_uninterrupted_one(tiny: Tiny, tiny_run: tuple[Tiny, RunDirectory]) -> None:
    stopped = train(tiny.config(), runs=tiny.runs, stop_after=4)
    assert read_record(stopped).status == "stopped"
    assert [path.name for path in stopped.checkpoints.iterdir() if path.name.endswith("-4")] == ["checkpoint-4"]
    assert not stopped.adapter.exists()
    with stopped.metrics.open("a") as file:
        file.write('{"step": 5, "loss": 99.0, "elapsed_s": 9}\n{"step": 5, "lo')  # after the checkpoint, and torn
    resumed, whole = train(tiny.config(), runs=tiny.runs, resume=True), tiny_run[1]
    assert adapter(resumed) == adapter(whole)
    assert losses(resumed) == losses(whole)
    assert lines(resumed.samples) == lines(whole.samples)
    first, second = read_record(resumed).summary, read_record(whole).summary
    assert first["eval_loss"] == second["eval_loss"]
    assert (first["steps"], first["steps_here"]) == (6, 2)
    counted = [[line["tokens"] for line in lines(run.metrics) if "loss" in line] for run in (resumed, whole)]
    assert counted[0] == counted[1]


def test_a_run_that_is_there_is_not_written_over(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    tiny, run = tiny_run
    assert refusal(tiny) == f"{run.path} is there already (finished); give it another name, or remove it"
    assert refusal(tiny, resume=True) == f"{run.path} is finished; there is nothing to resume"


def test_resuming_with_another_configuration_says_what_differs(exported: RunDirectory, tiny_run: Any) -> None:
    tiny = Tiny(base=tiny_run[0].base, rows=tiny_run[0].rows, runs=exported.path.parent)
    write_record(exported, _with(exported, status="stopped"))
    message = refusal(tiny, "lora.rank=8", "training.learning_rate=1e-3", resume=True)
    assert "was trained with another config: lora.rank: 4 -> 8; training.learning_rate: 0.005 -> 0.001" in message


def test_resuming_elsewhere_says_what_is_not_the_same(exported: RunDirectory, tiny_run: Any) -> None:
    tiny = Tiny(base=tiny_run[0].base, rows=tiny_run[0].rows, runs=exported.path.parent)
    for changes, message in (
        ({"backend": "unsloth"}, "was trained by unsloth, not trl; resume it with --backend unsloth, or start anew"),
        ({"precision": "bf16"}, "was trained in bf16; here it would go on in fp32: resume it on CPU or a device like"),
        ({"data_sha256": {"train.parquet": "0"}}, "was trained on other data"),
        ({"base_sha256": "0" * 40}, "was trained on another base (000000000000, now "),
    ):
        write_record(exported, _with(exported, status="stopped", **changes))
        assert message in refusal(tiny, resume=True)
        write_record(exported, _with(exported, **_of(tiny_run[1])))


def test_resuming_what_was_never_started_says_how_to_start(tiny: Tiny) -> None:
    assert "not a run (no run.json); train one with python -m training.sft CONFIG" in refusal(tiny, resume=True)


def test_a_full_gpu_says_what_to_lower_and_the_run_can_start_again(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 MiB.")

    with monkeypatch.context() as broken:
        broken.setattr("training.fit.train.load", full)
        assert main(tiny.options()) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "error: out of GPU memory at micro_batch 2, max_length 256; try --set training.micro_batch=1, or "
        "--set training.gradient_checkpointing=on, or --set base.load_in_4bit=true, or --set training.max_length=128"
    )
    run = train(tiny.config("training.micro_batch=1", "training.max_steps=1"), runs=tiny.runs)
    assert read_record(run).status == "finished"


def test_a_smaller_micro_batch_does_not_stop_a_resume_and_changes_rounding_only(
    tiny: Tiny, tiny_run: tuple[Tiny, RunDirectory]
) -> None:
    train(tiny.config(), runs=tiny.runs, stop_after=3)
    run = train(tiny.config("training.micro_batch=1"), runs=tiny.runs, resume=True)
    assert read_record(run).parsed.training.micro_batch == 1
    _assert_close(run, tiny_run[1])


def test_checkpointing_gradients_changes_nothing_but_rounding(tiny: Tiny, tiny_run: tuple[Tiny, RunDirectory]) -> None:
    _assert_close(train(tiny.config("training.gradient_checkpointing=unsloth"), runs=tiny.runs), tiny_run[1])


def test_the_command_reports_on_stderr_and_ends_with_json(tiny: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*tiny.options(), "--set", "training.max_steps=2", "--set", "name=short"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["steps"] == 2
    said = err.splitlines()
    assert said[0] == "reading rows"
    assert any(line.startswith("training: 2/2  loss ") for line in said)
    assert said[-1] == f"next: python -m training.export {tiny.runs}/short"


def test_ctrl_c_is_one_line_and_the_run_can_go_on(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from training.fit.monitor import Monitor

    def interrupt(self: Monitor, args: Any, state: Any, control: Any, **others: Any) -> None:
        if state.global_step == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Monitor, "on_step_end", interrupt)
        assert main(tiny.options()) == 130
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "interrupted; go on with --resume, where there is a checkpoint (training.save_steps)"
    assert "use --resume to go on with it" in refusal(tiny)
    assert read_record(train(tiny.config(), runs=tiny.runs, resume=True)).summary["steps_here"] == 3


def test_two_processes_train_what_one_does_without_llama_cpp(
    tiny: Tiny, tiny_run: tuple[Tiny, RunDirectory], tmp_path: Path
) -> None:
    (tmp_path / "blocked" / "llama_cpp").mkdir(parents=True)
    (tmp_path / "blocked" / "llama_cpp" / "__init__.py").write_text("raise ImportError('not on a GPU box')\n")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    paths = os.pathsep.join([str(tmp_path / "blocked"), str(ROOT)])
    child = subprocess.run(
        [*torchrun, "-m", "training.sft", *tiny.options()],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    run = RunDirectory(path=tiny.runs / "tiny")
    assert read_record(run).world_size == 2
    assert len(losses(run)) == 6
    assert child.stdout.count('"steps": 6') == 1
    _assert_close(run, tiny_run[1])


def test_tokens_of_a_config_that_needs_a_gpu_are_not_spent_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(CONFIGS_DIR / "llama-3.2-1b-r8.toml")]) == 1
    assert capsys.readouterr().err.startswith("error: base.load_in_4bit is true, but there is no GPU here")


def _assert_close(run: RunDirectory, other: RunDirectory) -> None:
    found, expected = (load_file(each.adapter / "adapter_model.safetensors") for each in (run, other))
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        np.testing.assert_allclose(found[name], tensor, atol=1e-4)
    np.testing.assert_allclose([loss for _, loss in losses(run)], [loss for _, loss in losses(other)], rtol=1e-3)


def _with(run: RunDirectory, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(read_record(run), **changes)


def _of(run: RunDirectory) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(read_record(run))


def test_a_resolved_configuration_is_what_the_record_holds(tiny_run: tuple[Tiny, RunDirectory]) -> None:
    assert read_record(tiny_run[1]).config == to_dict(tiny_run[0].config())
