"""A report on one run or several: who answers better, who is faster, what it costs, and what that rests on.

    python -m benchmarks.report RUN… --format html --out report.html      one file with its charts, for any browser
    python -m benchmarks.report RUN… --format md                          the same as Markdown, without charts
    python -m benchmarks.report RUN… --format csv|json                    the figures, for other tools

Speed and quality of one file may come from different runs; the report says which. HTML holds everything that it shows:
it asks no server for anything.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from data.command import parser_of, run_command
from data.errors import TradeoffError

if TYPE_CHECKING:
    from benchmarks.reports.content import Report

FORMATS = ("md", "html", "csv", "json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 a run cannot be read or reported on."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _run(options: argparse.Namespace) -> int:
    from benchmarks.analysis.names import renamed
    from benchmarks.reports.content import collect
    from benchmarks.runs.read import read_run
    from data.models.registry import load_registry

    runs = renamed([read_run(run) for run in options.runs], load_registry())
    _write(_renderers()[options.format](collect(runs, base=options.base)), options.out)
    return 0


def _renderers() -> "dict[str, Callable[[Report], str]]":
    from benchmarks.reports import html, text

    return {
        "md": text.markdown_report,
        "html": html.html_report,
        "csv": text.csv_report,
        "json": text.json_report,
    }


def _write(text: str, out: Path | None) -> None:
    if out is None:
        print(text, end="")
    else:
        try:
            out.write_text(text, encoding="utf-8")
        except OSError as error:
            raise TradeoffError(f"{out}: cannot be written ({error.strerror})") from None


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.report", __doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="directories of runs")
    parser.add_argument("--format", choices=FORMATS, default="md", help="default: md")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: stdout")
    parser.add_argument("--base", metavar="ID", help="the model that the others are compared with (default: the first)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
