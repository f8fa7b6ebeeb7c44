"""Publish a finished run on the Hugging Face Hub: GGUFs, adapter, model card, and the parity gate's verdict on them.

    python -m training.publish runs/llama-3.2-1b-r8 --repo your-name/Llama-3.2-1b-r8
    python -m training.publish RUN --repo NAMESPACE/NAME --dry-run      show the files and the card; sends nothing

Needs a token that may write: set HF_TOKEN or run `hf auth login`. Started again after an interruption, it goes on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="what was sent is kept on the Hub: publish again to go on")


def _run(options: argparse.Namespace) -> int:
    from data.hub.account import check_repository_name, choose_transfer
    from data.hub.address import host
    from training.card.licences import check_name
    from training.card.publication import publication_of, registry_entries
    from training.card.publish import publish, read_benchmark, show

    choose_transfer()
    check_repository_name(options.repo)
    kinds = tuple(filter(None, (kind.strip() for kind in options.files.split(","))))
    publication = publication_of(options.run, licence=options.licence, kinds=kinds)
    check_name(options.repo, publication.origin)
    benchmark = read_benchmark(options.benchmark, publication) if options.benchmark else None
    if options.dry_run:
        show(publication, options.repo, benchmark)
        return 0
    commit = publish(
        publication,
        options.repo,
        private=options.private,
        benchmark=benchmark,
        licence_file=options.licence_file,
    )
    print(f"{host()}/{options.repo}")
    if entries := registry_entries(publication, options.repo, commit):
        print(f"\n# for data/models.toml\n{entries}", end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = parser_of("training.publish", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="directory of the run, or its name in runs/")
    parser.add_argument("--repo", required=True, metavar="NAMESPACE/NAME", help="made where it is not there yet")
    parser.add_argument("--private", action="store_true", help="visible to you alone")
    parser.add_argument("--benchmark", type=Path, metavar="DIR", help="results of benchmarks.run for the card")
    parser.add_argument("--files", default="", metavar="LIST", help="such as q4_k_m,adapter (default: all exported)")
    parser.add_argument("--licence", default="", metavar="ID", help="of the base, where it is not known here")
    parser.add_argument("--licence-file", type=Path, metavar="FILE", help="text of the base's licence")
    parser.add_argument("--dry-run", action="store_true", help="show the files and the card; sends nothing")
    return parser


if __name__ == "__main__":
    sys.exit(main())
