"""Write the Results pages as a static site: charts, filters, verdicts and every sample, without a server.

    python -m app.static --out site                      open site/index.html, or put the folder on any web host
    python -m app.static --out site --deploy YOU/NAME    and publish it as a Static Space, which is free

The folder asks no other server for anything. `app/static/` beside this module holds the app's fonts and icon.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 nothing to show or the Hub refuses, 130 interrupted."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="run it again to start over")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.analysis.names import renamed
    from benchmarks.reports.site import write_site
    from benchmarks.runs.on_disk import load_runs
    from data.errors import ModelError
    from data.files import size_text
    from data.hub.account import check_repository_name, choose_transfer
    from data.models.registry import load_registry
    from data.paths import results_directories

    choose_transfer()
    if options.deploy:
        check_repository_name(options.deploy)
    found = load_runs(options.results or results_directories())
    for problem in found.problems:
        print(f"left out: {problem}", file=sys.stderr)
    if not found.runs:
        raise ModelError("no run to show; make one: python -m benchmarks.run benchmarks/configs/smoke.toml")
    files = write_site(renamed(found.runs, load_registry()), options.out)
    size = size_text(sum(path.stat().st_size for path in files))
    print(f"{len(found.runs)} runs in {len(files)} files, {size}: {options.out / 'index.html'}", file=sys.stderr)
    if options.deploy:
        print(_publish(options.deploy, options.out, private=options.private))
    return 0


def _publish(repo: str, folder: Path, *, private: bool) -> str:
    from data.hub.account import sign_in
    from data.hub.address import host
    from data.hub.spaces import open_space, send_folder

    api = sign_in(repo)
    open_space(api, repo, sdk="static", private=private)
    send_folder(api, repo, folder, message="Tradeoff results")
    return f"{host()}/spaces/{repo}"


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("app.static", __doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new, empty, or an earlier site")
    parser.add_argument(
        "--results", type=Path, action="append", metavar="DIR", help="where runs lie (default: where the app looks)"
    )
    parser.add_argument("--deploy", metavar="USER/NAME", help="publish as a Static Space; made where it is not there")
    parser.add_argument("--private", action="store_true", help="a new Space is visible to you alone")
    return parser


if __name__ == "__main__":
    sys.exit(main())
