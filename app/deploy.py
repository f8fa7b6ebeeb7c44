"""Publish this checkout as a Docker Space on the Hugging Face Hub, and wait until it answers.

    python -m app.deploy --repo YOU/tradeoff --dry-run                     stage and show the files; asks nobody
    python -m app.deploy --repo YOU/tradeoff --secret TRADEOFF_OPERATOR_TOKEN --variable TRADEOFF_HUB_NAMESPACE=YOU

Needs a token that may write: set HF_TOKEN or run `hf auth login`. Secrets are named here and read from the environment.
Since July 2026 the Hub creates Docker Spaces only for accounts with a paid plan; CPU Basic then costs nothing by the
hour. Without a plan, `python -m app.static --deploy YOU/NAME` publishes the results as a Static Space, which is free.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.space.staging import StagedFile, stage, summary
from data.command import parser_of, run_command, say

if TYPE_CHECKING:
    from app.space.publish import Wish


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 it runs (or --dry-run), 1 it cannot be published, 130 interrupted."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="the Space builds on; run it again to follow it")


def _run(options: argparse.Namespace) -> int:
    from data.hub.account import check_repository_name, choose_transfer

    choose_transfer()
    from app.space.publish import Wish, deploy, read_secrets, read_variables, wait_until_running
    from data.hub.address import host

    check_repository_name(options.repo)
    wish = Wish(
        repo=options.repo,
        private=options.private,
        hardware=options.hardware,
        variables=read_variables(options.variable),
        secrets=read_secrets(options.secret, os.environ),
    )
    folder = options.out or Path(tempfile.mkdtemp(prefix="tradeoff-space-"))
    files = stage(folder)
    _show(wish, folder, files, every=options.dry_run)
    if options.dry_run:
        return 0
    commit = deploy(wish, folder, say=say)
    if not options.no_wait:
        wait_until_running(wish.repo, commit, say=say)
    print(f"{host()}/spaces/{wish.repo}")
    return 0


def _show(wish: "Wish", folder: Path, files: list[StagedFile], *, every: bool) -> None:
    say(f"staged for {wish.repo} in {folder}:")
    if every:
        for file in files:
            print(f"{file.size_bytes:>12,}  {file.name}")
    say(summary(files))
    say(f"hardware: {wish.hardware or 'as it is, CPU Basic for a new Space'}")
    say("variables: " + (", ".join(f"{name}={value}" for name, value in wish.variables.items()) or "none"))
    say("secrets, by name: " + (", ".join(wish.secrets) or "none"))


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("app.deploy", __doc__)
    parser.add_argument("--repo", required=True, metavar="USER/NAME", help="made where it is not there yet")
    parser.add_argument("--dry-run", action="store_true", help="stage and show the files; sends nothing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to stage (default: a temporary folder)")
    parser.add_argument("--private", action="store_true", help="a new Space is visible to you alone")
    parser.add_argument("--hardware", metavar="NAME", help="such as cpu-upgrade (default: CPU Basic)")
    parser.add_argument("--variable", action="append", default=[], metavar="NAME=VALUE", help="public; repeatable")
    parser.add_argument("--secret", action="append", default=[], metavar="NAME", help="read from the environment")
    parser.add_argument("--no-wait", action="store_true", help="do not wait until it runs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
