"""The parity gate: is every exported file the model that was trained?

    python -m training.verify runs/llama-3.2-1b-r8

The reference is base and adapter merged by peft in float32; the files run in Tradeoff's own engine, from GGUF. They
must read the same tokens, end turns on the same token, and predict the same next tokens. Writes parity.json; exits with
1 where a check fails, and `training.publish` refuses without it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command, say
from training.run_directory import RunDirectory


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.verify", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's directory, such as runs/llama-3.2-1b-r8")
    parser.add_argument(
        "--replies", type=int, default=12, metavar="N", help="prompts to answer; 0 leaves them out (default: 12)"
    )
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written; verify again")


def _run(options: argparse.Namespace) -> int:
    from training.parity.checks import table
    from training.parity.gate import verify

    checks = verify(RunDirectory(path=options.run), replies=options.replies)
    print(table(checks))
    failed = [check for check in checks if not check.passed]
    if failed:
        say(
            f"error: {len(failed)} of {len(checks)} checks failed; do not ship these files "
            "(limits: [export] in the config)"
        )
        return 1
    say(f"all {len(checks)} checks passed; next: python -m training.publish {options.run} --repo NAMESPACE/NAME")
    return 0


if __name__ == "__main__":
    sys.exit(main())
