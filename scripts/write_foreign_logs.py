"""Have lm-evaluation-harness and Inspect write small logs of their own, for the tests of benchmarks.foreign_logs.

    .venv-peers/bin/python scripts/write_foreign_logs.py lm-eval DIR      `make peers` installs it
    INSPECT/bin/python     scripts/write_foreign_logs.py inspect DIR      an environment with inspect_ai alone

Each asks two made models 24 sums, of which the one gets every fourth wrong and the other every third. Nothing is
downloaded, and no model runs.
"""

import argparse
import contextlib
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

SUMS = [(n, 3 * n + 1) for n in range(1, 25)]
MADE = {"good": 4, "less": 3}
"""Model, and that it gets every so many-th sum wrong."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", choices=("lm-eval", "inspect"))
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    (_by_lm_eval if options.tool == "lm-eval" else _by_inspect)(options.out)
    return 0


def answer(text: str, wrong: int) -> str:
    """What a made model says to the last sum of a text."""
    a, b = map(int, re.findall(r"(\d+) \+ (\d+)", text)[-1])
    return str(a + b + (a % wrong == 0))


def _by_lm_eval(out: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.loggers import EvaluationTracker

    class Made(LM):  # type: ignore[misc]
        def __init__(self, wrong: int) -> None:
            super().__init__()
            self.wrong = wrong

        def loglikelihood(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
            asked = [each.args for each in requests]
            return [(-0.1 if choice.strip() == answer(text, self.wrong) else -2.0, False) for text, choice in asked]

        def generate_until(self, requests: Any, **_: Any) -> list[str]:
            return [answer(each.args[0], self.wrong) for each in requests]

        def loglikelihood_rolling(self, requests: Any, **_: Any) -> list[float]:
            raise NotImplementedError

    out = out.absolute()
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):  # whose path would stand in the results
        rows = Path("sums.jsonl")
        lines = [{"a": a, "b": b, "sum": str(a + b), "choices": [str(a + b), str(a + b + 1)]} for a, b in SUMS]
        rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
        common: dict[str, Any] = {
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(rows)}, "cache_dir": "cache"},
            "test_split": "test",
            "doc_to_text": "What is {{a}} + {{b}}?",
        }
        written: dict[str, Any] = {
            "task": "sums",
            "doc_to_target": "{{sum}}",
            "output_type": "generate_until",
            **common,
        }
        written |= {"generation_kwargs": {"until": ["\n"]}, "metric_list": [{"metric": "exact_match"}]}
        chosen: dict[str, Any] = {"task": "sums_chosen", "doc_to_target": 0, "doc_to_choice": "choices", **common}
        chosen |= {"output_type": "multiple_choice", "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}]}
        tasks: list[Any] = [written, chosen]
        for name, wrong in MADE.items():
            tracker = EvaluationTracker(output_path=str(out / name))
            results = simple_evaluate(
                model=Made(wrong),
                model_args=f"pretrained={name}",
                tasks=tasks,
                log_samples=True,
                evaluation_tracker=tracker,
                bootstrap_iters=0,
            )
            assert results is not None
            samples = results.pop("samples")
            tracker.save_results_aggregated(results=results, samples=samples)
            for task in results["configs"]:
                tracker.save_results_samples(task_name=task, samples=samples[task])


def _by_inspect(out: Path) -> None:
    from inspect_ai import Task, eval
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match
    from inspect_ai.solver import generate

    for name, wrong in MADE.items():

        def say(messages: Any, *_: Any, wrong: int = wrong) -> Any:
            output = ModelOutput.from_content("mockllm", answer(messages[-1].text, wrong))
            output.usage = ModelUsage(input_tokens=8, output_tokens=2, total_tokens=10)  # else it asks for a tokenizer
            return output

        samples = [Sample(input=f"What is {a} + {b}?", target=str(a + b), id=f"sum-{a}") for a, b in SUMS]
        task = Task(dataset=MemoryDataset(samples, name="sums"), solver=generate(), scorer=match(), name="sums")
        model = get_model(f"mockllm/{name}", custom_outputs=say)
        eval(task, model=model, log_dir=str(out / name), display="none")


if __name__ == "__main__":
    sys.exit(main())
