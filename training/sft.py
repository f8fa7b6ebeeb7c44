"""Fine-tune a LoRA adapter on answers alone, and keep everything that is needed to judge, repeat and resume it.

    python -m training.sft training/configs/llama-3.2-1b-r8.toml
    torchrun --nproc-per-node 2 -m training.sft CONFIG      on several GPUs, at the same effective batch

Unsloth trains where there is a GPU and it is installed; transformers, peft and trl elsewhere. Results: runs/NAME/.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data.command import parser_of, run_command, say
from data.progress import duration
from training.config import load_config
from training.run_directory import RUNS, RunDirectory, RunRecord, read_record


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.sft", __doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a TOML such as those in training/configs/")
    parser.add_argument("--backend", choices=("auto", "unsloth", "trl"), default="auto", help="default: auto")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint of this run")
    parser.add_argument("--stop-after", type=int, metavar="STEP", help="stop there with a checkpoint, to be resumed")
    parser.add_argument("--dry-run", action="store_true", help="say steps, tokens, memory and time; train nothing")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of the config")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where results go (default: runs/)")
    options = parser.parse_args(arguments)
    return run_command(
        lambda: _run(options), interrupted="go on with --resume, where there is a checkpoint (training.save_steps)"
    )


def _run(options: argparse.Namespace) -> int:
    config = load_config(options.config, options.set)
    if options.dry_run:
        from training.fit.plan import plan, plan_text

        print(plan_text(plan(config, backend=options.backend, runs=options.runs)))
        return 0
    from training.fit.cards import is_first
    from training.fit.train import train

    run = train(
        config, backend=options.backend, resume=options.resume, stop_after=options.stop_after, runs=options.runs
    )
    if is_first():
        _report(run, read_record(run))
    return 0


def _report(run: RunDirectory, record: RunRecord) -> None:
    summary: Mapping[str, Any] = record.summary
    took = duration(summary["seconds"])
    if record.status == "stopped":
        say(f"stopped after step {summary['steps']} ({took}); go on with --resume")
        return
    say(f"{summary['steps']} steps in {took} by {record.backend} ({record.device}, {record.precision})")
    say(f"validation loss {summary['eval_loss']:.4f}; {run.loss_plot}, {run.samples}")
    say(f"next: python -m training.export {run.path}")
    print(json.dumps(summary))


if __name__ == "__main__":
    sys.exit(main())
