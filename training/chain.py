"""From a configuration to files that are proven and published: every command of the pipeline in turn.

    python -m training.chain training/configs/llama-3.2-1b-r8.toml training/configs/llama-3.2-3b-r16.toml --owner YOU

One configuration after the other: replay (where the base is to write some), prepare, sft, export, verify and, with
--owner, publish as OWNER/NAME. What is there already is passed over, so that the same command goes on after an
interruption, once training has its first checkpoint (training.save_steps). The first command that fails ends it.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.command import parser_of, run_command, say
from data.manifest import read_manifest
from training.config import Config, TrainingError, load_config
from training.run_directory import RUNS, RunDirectory, read_record

Step = tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or that of the command that failed."""
    parser = parser_of("training.chain", __doc__)
    parser.add_argument("configs", type=Path, nargs="+", metavar="CONFIG", help="TOMLs such as in training/configs/")
    parser.add_argument("--owner", default="", metavar="NAMESPACE", help="publish there; without it nothing is sent")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of each")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="where results go (default: runs/)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="the same command goes on")


def _run(options: argparse.Namespace) -> int:
    configs = {path: load_config(path, options.set) for path in options.configs}  # all are read before one is trained
    changes = [part for change in options.set for part in ("--set", change)]
    for path, config in configs.items():
        for step in _steps(config, (str(path), *changes, "--runs", str(options.runs)), options):
            say(f"{config.name}: {step[0]}")
            if status := subprocess.run([sys.executable, "-m", f"training.{step[0]}", *step[1:]]).returncode:
                say(f"{config.name}: {step[0]} failed; mend that, and the same command goes on")
                return status
    return 0


def _steps(config: Config, given: Sequence[str], options: argparse.Namespace) -> Iterator[Step]:
    """What is not done yet; each is asked for when the one before has ended."""
    run = RunDirectory(path=options.runs / config.name)
    if any(source.kind == "replay" and not source.path for source in config.data.sources.values()):
        yield ("replay", *given)
    yield ("prepare", *given)
    if run.record.exists() and read_record(run).parsed != config:
        raise TrainingError(
            f"{run.path} is of another configuration; give this one another name, or move that run away"
        )
    if not run.record.exists() or read_record(run).status != "finished":
        yield ("sft", *given, *(["--resume"] if any(run.checkpoints.glob("checkpoint-*")) else []))
    if not run.manifest.exists():
        yield ("export", str(run.path))
    if not _has_passed(run):
        yield ("verify", str(run.path))
    if options.owner:
        yield ("publish", str(run.path), "--repo", f"{options.owner}/{config.name}")


def _has_passed(run: RunDirectory) -> bool:
    return run.parity.exists() and bool(read_manifest(run.parity).extra.get("passed"))


if __name__ == "__main__":
    sys.exit(main())
