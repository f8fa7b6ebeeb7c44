"""Hold multiple choice by log-likelihood against lm-evaluation-harness's own `hf` model, on the same weights.

    .venv-test/bin/python scripts/lm_eval_choices.py GGUF [--questions FILE.jsonl] [--limit 200] [--peers .venv-peers]

GGUF is unpacked into a checkpoint for torch, and that written as an F16 GGUF for llama.cpp, so that both have the same
weights. Questions are as data/suites/multiple_choice.py reads them, or else made of the right and wrong examples of the
suite core, with two choices that fit none. Both are asked alone, one after the other; the last
line is JSON: shares right, questions that the two answer differently, the largest gap between two log-likelihoods, and
questions a minute. Needs torch (.venv-test) and lm-eval (`make peers`), whose packages come after torch's.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.engine.contract import LoadOptions
from benchmarks.engine.ends import Ends
from benchmarks.engine.worker_engine import WorkerEngine
from benchmarks.measure.likelihood import SEQUENCES
from data.paths import ROOT
from data.suites.multiple_choice import Question, load_choices
from data.suites.prompts import load_suite
from training.checkpoints.base_model import resolve
from training.checkpoints.write_gguf import write_gguf
from training.config import Base

CONTEXT_TOKENS = 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, metavar="GGUF")
    parser.add_argument("--questions", metavar="FILE", help="default: made of core")
    parser.add_argument("--limit", type=int, default=200, help="default: the first 200")
    parser.add_argument("--peers", type=Path, default=ROOT / ".venv-peers", help="default: .venv-peers")
    options = parser.parse_args()
    sys.path.extend(map(str, options.peers.glob("lib/python3*/site-packages")))
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    known = load_choices(options.questions).questions if options.questions else _of_core()
    questions = known[: options.limit]
    checkpoint = resolve(Base(source="path", name=str(options.model))).path
    with tempfile.TemporaryDirectory() as scratch:
        gguf = Path(scratch) / "f16.gguf"
        write_gguf(checkpoint, gguf, name="f16", tokenizer=checkpoint)
        ours, our_s = _ours(gguf, questions)
        theirs, their_s = _theirs(checkpoint, questions, Path(scratch))
    print(json.dumps(_told(questions, ours, theirs) | {"per_min": [60 * len(questions) / s for s in (our_s, their_s)]}))
    return 0


def _of_core() -> tuple[Question, ...]:
    prompts = [each for each in load_suite("core").prompts if each.right and each.wrong and len(each.right) < 100]
    return tuple(
        Question(
            id=each.id,
            beginning=f"Question: {each.messages[-1].content}\nAnswer:",
            choices=(str(each.wrong), str(each.right), "I do not know", "yes"),
            right=1,
        )
        for each in prompts
    )


def _ours(gguf: Path, questions: Sequence[Question]) -> tuple[list[list[float]], float]:
    with closing(WorkerEngine(gguf, LoadOptions(context_tokens=CONTEXT_TOKENS, sequences=SEQUENCES))) as engine:
        started = time.monotonic()
        asked = [Ends(beginning=each.beginning, ends=tuple(f" {c}" for c in each.choices)) for each in questions]
        return [engine.score_ends(each) for each in asked], time.monotonic() - started


def _theirs(checkpoint: Path, questions: Sequence[Question], scratch: Path) -> tuple[list[dict[str, Any]], float]:
    """lm-eval's samples, in order, and its seconds without loading."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM

    rows = scratch / "rows.jsonl"
    rows.write_text("".join(json.dumps(vars(each)) + "\n" for each in questions))
    metrics = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_bytes")]
    task: dict[str, Any] = {
        "task": "own",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(rows)}, "cache_dir": str(scratch)},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{beginning}}",
        "doc_to_choice": "choices",
        "doc_to_target": "right",
        "metric_list": metrics,
    }
    model = HFLM(pretrained=str(checkpoint), device="cpu", dtype="float32", batch_size=8)
    started = time.monotonic()
    tasks: list[Any] = [task]
    found = simple_evaluate(model=model, tasks=tasks, log_samples=True, bootstrap_iters=0)
    assert found is not None
    return sorted(found["samples"]["own"], key=lambda each: each["doc_id"]), time.monotonic() - started


def _told(
    questions: Sequence[Question], ours: Sequence[Sequence[float]], theirs: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    gaps, differ, right = [], [], {"acc": [0, 0.0], "acc_bytes": [0, 0.0]}
    for question, scores, sample in zip(questions, ours, theirs, strict=True):
        assert sample["doc"]["id"] == question.id
        known = [float(each[0]) for each in sample["filtered_resps"]]
        gaps.append(max(abs(a - b) for a, b in zip(scores, known, strict=True)))
        sizes = [len(choice.encode()) for choice in question.choices]
        for metric, values in (("acc", scores), ("acc_bytes", [s / n for s, n in zip(scores, sizes)])):
            mine = float(values.index(max(values)) == question.right)
            right[metric][0] += mine
            right[metric][1] += sample[metric]
            if mine != sample[metric]:
                first, second = sorted(values, reverse=True)[:2]
                differ.append({"id": question.id, "metric": metric, "margin": first - second})
    shares = {metric: [100 * count / len(questions) for count in counts] for metric, counts in right.items()}
    return {"questions": len(questions), "points": shares, "differ": differ, "largest_gap": max(gaps)}


if __name__ == "__main__":
    sys.exit(main())
