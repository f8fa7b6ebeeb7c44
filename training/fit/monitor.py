"""What a training run writes while it goes: metrics, a loss plot, sample replies, and a line of progress."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from data.progress import Counter
from training.config import Config
from training.rows.examples import prompt_ids
from training.run_directory import RunDirectory, read_metrics

SAMPLE_TOKENS = 96
_NOT_LOGGED = ("epoch", "total_flos", "num_tokens", "eval_num_tokens")


def keep_metrics_until(path: Path, step: int) -> None:
    """Drop lines of steps after a checkpoint, which a resumed run makes again, and a torn last line."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
        except (ValueError, KeyError, TypeError):
            continue
    path.write_text("".join(kept), encoding="utf-8")


def plot_loss(metrics: Sequence[dict[str, Any]], out: Path, title: str) -> None:
    """Training and validation loss by step, as PNG; nothing where there is no loss yet."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for key, label, style in (("loss", "training", "-"), ("eval_loss", "validation", "o-")):
        points = [(line["step"], line[key]) for line in metrics if key in line]
        if points:
            axes.plot(*zip(*points, strict=True), style, label=label, linewidth=1.2, markersize=4)
    axes.set(xlabel="optimizer step", ylabel="loss, nats per answer token", title=title)
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend()
    FigureCanvasAgg(figure).print_png(out)


class Monitor(TrainerCallback):  # type: ignore[misc, unused-ignore]
    """Hooks of the trainer; writes on the first process only.

    Args:
        stop_after: Stop after this optimizer step, with a checkpoint.

    Attributes:
        stopped: Whether it was stopped so.
        evaluated_step, sampled_step: Of the newest validation, whose loss is `eval_loss`, and of the newest samples.
    """

    def __init__(self, run: RunDirectory, config: Config, tokenizer: Any, *, stop_after: int | None = None) -> None:
        self.run, self.config, self.tokenizer, self.stop_after = run, config, tokenizer, stop_after
        self.stopped = False
        self.evaluated_step = self.sampled_step = -1
        self.eval_loss: float | None = None
        self._counter: Counter | None = None
        self._first_step = 0
        self._first_tokens = 0
        self._started_s = time.monotonic()

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if state.is_world_process_zero:
            self._counter = Counter("training", total=state.max_steps - state.global_step)
        self._first_step, self._started_s = state.global_step, time.monotonic()
        for line in read_metrics(self.run.metrics):  # a resumed run counts on
            self._first_tokens = line.get("tokens", self._first_tokens)
            self._started_s = time.monotonic() - line["elapsed_s"]

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        steps = self.config.training.sample_steps
        if steps and state.is_world_process_zero and state.global_step % steps == 0:
            self.write_samples(model, state.global_step)
        if self.stop_after is not None and state.global_step >= self.stop_after and state.global_step < state.max_steps:
            self.stopped = True
            control.should_save = control.should_training_stop = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **others: Any) -> None:
        if not state.is_world_process_zero or not logs or "train_runtime" in logs:
            return
        line = {"step": state.global_step, "elapsed_s": round(time.monotonic() - self._started_s, 3)}
        line |= {key: value for key, value in logs.items() if key not in _NOT_LOGGED}
        if "num_tokens" in logs:
            line["tokens"] = self._first_tokens + int(logs["num_tokens"])
        with self.run.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        if self._counter and "loss" in logs:
            self._counter.show(state.global_step - self._first_step, f"loss {float(logs['loss']):.3f}")
        if "eval_loss" in logs:
            plot_loss(read_metrics(self.run.metrics), self.run.loss_plot, self.run.name)

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **others: Any) -> None:
        self.evaluated_step, self.eval_loss = state.global_step, metrics["eval_loss"]

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        if state.is_world_process_zero:
            plot_loss(read_metrics(self.run.metrics), self.run.loss_plot, self.run.name)

    def write_samples(self, model: Any, step: int) -> None:
        """Greedy replies to the configuration's sample prompts."""
        import torch

        training = model.training
        model.eval()
        with self.run.samples.open("a", encoding="utf-8") as file, torch.no_grad():
            for prompt in self.config.training.sample_prompts:
                ids = prompt_ids([{"role": "user", "content": prompt}], self.tokenizer)
                inputs = torch.tensor([ids], device=model.device)
                out = model.generate(
                    input_ids=inputs,
                    attention_mask=torch.ones_like(inputs),
                    max_new_tokens=SAMPLE_TOKENS,
                    do_sample=False,
                    use_cache=True,
                    eos_token_id=self.tokenizer.eos_token_id,
                    pad_token_id=self.tokenizer.pad_token_id,
                )
                reply = self.tokenizer.decode(out[0, len(ids) :], skip_special_tokens=True)
                file.write(json.dumps({"step": step, "prompt": prompt, "reply": reply}, ensure_ascii=False) + "\n")
        model.train(training)
        self.sampled_step = step
