"""Look at everything that serving needs: `python -m app.doctor [--offline]`.

One line each: "ok"; "note", where Tradeoff works without it; "mend", where it does not, and what to do. The exit status
is 1 where something must be mended.
"""

import sys
from collections.abc import Sequence

from data.command import parser_of, run_command

NETWORK = ("hub", "index")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("app.doctor", __doc__)
    parser.add_argument("--offline", action="store_true", help="ask neither the Hub nor the package index")
    options = parser.parse_args(arguments)
    return run_command(lambda: _examine(offline=options.offline), interrupted="nothing was changed")


def _examine(*, offline: bool) -> int:
    import os

    from app.chat.visitors import problem_with_proxies, problem_with_token
    from app.machine.health import LOOKS, Finding, examine

    findings = []
    for finding in examine({name: look for name, look in LOOKS.items() if not (offline and name in NETWORK)}):
        print(finding, flush=True)
        findings.append(finding)
    for what, problem in (("token", problem_with_token(os.environ)), ("proxies", problem_with_proxies(os.environ))):
        if problem:
            findings.append(Finding(verdict="mend", what=what, says=problem))
            print(findings[-1], flush=True)
    return int(any(finding.verdict == "mend" for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
