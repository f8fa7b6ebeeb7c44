"""Hold our graders, and our way of asking, against lm-evaluation-harness's own code (`make peers` installs it).

    .venv-peers/bin/python scripts/lm_eval_check.py stored RUN ROWS [--out FILE.json]
    .venv-peers/bin/python scripts/lm_eval_check.py asks GGUF ROWS [--limit 100] [--out FILE.json]
    OPENAI_API_KEY=TOKEN .venv-peers/bin/python scripts/lm_eval_check.py asks ID ROWS --url http://localhost:8501/v1

`stored` lets its tasks (gsm8k_cot_zeroshot or ifeval, by the rows' columns) score the very answers that a run has of
ROWS, and compares item by item. `asks` lets it ask the same prompts by itself, of llama.cpp's own server with that file
on loopback (xllamacpp), or of any server of OpenAI's protocol, such as `app.serve --api`. ROWS are JSON Lines as the
Hub has them. Nothing is downloaded.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from scripts.ifeval_reference import sentence_model

ASKS_GSM8K = "{{question}}\nWork it out step by step. End with: The answer is ..."
"""As `data.suites.from_hub` asks."""
MOST_TOKENS = 1024
_AT_ONCE = 8
Item = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 1 when the two agree on less than 98% of the stored answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    stored = commands.add_parser("stored")
    stored.add_argument("run", type=Path, metavar="RUN")
    stored.set_defaults(command=_stored)
    asks = commands.add_parser("asks")
    asks.add_argument("model", type=Path, metavar="GGUF", help="a file, or with --url the model's name there")
    asks.add_argument("--url", help="of a server that runs already, such as http://localhost:8501/v1")
    asks.add_argument("--limit", type=int, default=100, help="default: the first 100")
    asks.set_defaults(command=_asks)
    for each in (stored, asks):
        each.add_argument("rows", type=Path, metavar="ROWS")
        each.add_argument("--out", type=Path, metavar="JSON", help="every item, or every disagreement, in full")
    options = parser.parse_args(arguments)
    sentence_model()
    status: int = options.command(options)
    return status


def _stored(options: argparse.Namespace) -> int:
    rows = _rows(options.rows)
    worst, report = 1.0, {}
    for model, ours in _answers(options.run, options.rows.stem, len(rows)).items():
        scored = _evaluate(
            _model_of({rows[at]: item["answer"] for at, item in ours.items()}), options.rows, sorted(ours)
        )
        for name, theirs in scored.items():
            differ = [at for at in ours if theirs[at] != ours[at]["right"]]
            agree = 1 - len(differ) / len(ours)
            print(
                f"{model}  {name}: the same grade on {len(ours) - len(differ)} of {len(ours)} ({agree:.1%}); "
                f"right by us {_share(ours[at]['right'] for at in ours)}, by it {_share(theirs[at] for at in ours)}"
            )
            report[f"{model} {name}"] = [{**ours[at], "item": at + 1, "lm_eval": theirs[at]} for at in differ]
            if name != "strict-match":  # which finds no answer that is written otherwise
                worst = min(worst, agree)
    _write(options.out, report)
    return 0 if worst >= 0.98 else 1


def _asks(options: argparse.Namespace) -> int:
    from lm_eval.models.openai_completions import LocalChatCompletion

    url = options.url or f"{(server := _server(options.model)).listening_address}/v1"  # noqa: F841 (lives as long)
    os.environ.setdefault("OPENAI_API_KEY", "none")
    model = LocalChatCompletion(
        base_url=f"{url}/chat/completions",
        model=str(options.model),
        num_concurrent=_AT_ONCE,
        max_retries=1,
        timeout=600,
        tokenizer_backend=None,
    )
    scored = _evaluate(model, options.rows, range(min(options.limit, len(_rows(options.rows)))), chat=True)
    for name, theirs in scored.items():
        print(f"{name}: {sum(theirs.values())} of {len(theirs)} right ({_share(theirs.values())})")
    _write(options.out, {name: {at + 1: right for at, right in theirs.items()} for name, theirs in scored.items()})
    return 0


def _server(gguf: Path) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(gguf)
    params.n_parallel = _AT_ONCE
    params.n_ctx = _AT_ONCE * 2048
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = len(os.sched_getaffinity(0))
    return xllamacpp.Server(params)


def _share(values: Any) -> str:
    listed = list(values)
    return f"{sum(listed) / len(listed):.1%}"


def _write(out: Path | None, report: Mapping[str, Any]) -> None:
    if out:
        out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _rows(path: Path) -> list[str]:
    """The prompts, as they are asked."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [row.get("prompt") or ASKS_GSM8K.replace("{{question}}", row["question"]) for row in rows]


def _answers(run: Path, suite: str, count: int) -> dict[str, dict[int, Item]]:
    """By model and place in the rows: the answers of the batched condition, with our grades."""
    found: dict[str, dict[int, Item]] = {}
    for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["suite"] != suite or row["condition"] != "batched" or row.get("answer") is None:
            continue
        at = int(row["prompt_id"].rpartition("-")[2]) - 1
        if at < count:
            right = row["grade"] == 1
            found.setdefault(row["model"], {})[at] = {"answer": row["answer"], "right": right, "why": row.get("reason")}
    if not found:
        raise SystemExit(f"lm_eval_check: {run} has no batched answers to {suite}")
    return found


def _model_of(answers: Mapping[str, str]) -> Any:
    from lm_eval.api.model import LM

    class Stored(LM):  # type: ignore[misc]
        def generate_until(self, requests: Sequence[Any]) -> list[str]:
            return [answers[request.args[0]] for request in requests]

        def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    return Stored()


def _evaluate(model: Any, rows: Path, places: Sequence[int], *, chat: bool = False) -> dict[str, dict[int, bool]]:
    """What lm-eval's task says of each place, by the name of its filter or metric."""
    with tempfile.TemporaryDirectory(prefix="lm-eval-") as scratch:
        os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", HF_DATASETS_CACHE=scratch)
        from lm_eval import simple_evaluate

        task, metric = _task(rows, Path(scratch))
        found = simple_evaluate(
            model=model,
            tasks=[str(task)],
            samples={task.stem: list(places)},
            apply_chat_template=chat,
            bootstrap_iters=0,
            log_samples=True,
        )
    scored: dict[str, dict[int, bool]] = {}
    for sample in found["samples"][task.stem]:
        name = sample["filter"] if metric == "exact_match" else metric
        scored.setdefault(name, {})[sample["doc_id"]] = bool(sample[metric] == 1)
    return scored


def _task(rows: Path, scratch: Path) -> tuple[Path, str]:
    """lm-eval's own task with its rows from this file, and the metric that says right or wrong."""
    import lm_eval

    tasks = Path(lm_eval.__file__).parent / "tasks"
    is_ifeval = "instruction_id_list" in json.loads(rows.read_text(encoding="utf-8").splitlines()[0])
    its_own = tasks / ("ifeval/ifeval.yaml" if is_ifeval else "gsm8k/gsm8k-cot-zeroshot.yaml")
    changes: dict[str, Any] = {
        "include": str(its_own),
        "task": "checked",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": {"test": str(rows.resolve())}},
        "test_split": "test",
        "generation_kwargs": {"until": [], "do_sample": False, "temperature": 0.0, "max_gen_toks": MOST_TOKENS},
    }
    if not is_ifeval:
        changes |= {"training_split": None, "fewshot_split": None, "doc_to_text": ASKS_GSM8K}
    task = scratch / "checked.yaml"
    task.write_text(json.dumps(changes), encoding="utf-8")  # JSON is YAML
    return task, "prompt_level_strict_acc" if is_ifeval else "exact_match"


if __name__ == "__main__":
    sys.exit(main())
