"""Find the layers of a base that are missed least: one at a time, always the one whose removal harms perplexity least.

    python -m training.layer_search smollm2-135m --drop 10 --text rows.jsonl --out layers.json

Removing a contiguous block, or any fixed pattern, harms this family far more (Gromov et al. 2024, arXiv:2403.17887,
remove blocks from large models). The order found is written with the perplexity at every step; the first N are what an
entry of data/models.toml names as `drop_layers`.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, run_command
from training.config import Base


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.layer_search", __doc__)
    parser.add_argument("base", metavar="ID", help="of data/models.toml")
    parser.add_argument("--drop", type=int, required=True, metavar="N", help="layers to remove")
    parser.add_argument("--text", type=Path, required=True, metavar="JSONL", help="rows with question and answer")
    parser.add_argument("--rows", type=int, default=128, metavar="N", help="of the text (default: 128)")
    parser.add_argument("--out", type=Path, required=True, metavar="JSON")
    options = parser.parse_args(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was written")


def _run(options: argparse.Namespace) -> int:
    from training.fit.layer_search import search

    lines = options.text.read_text(encoding="utf-8-sig").splitlines()[: options.rows]
    texts = [(row["question"], row["answer"]) for row in map(json.loads, lines)]
    steps = search(Base(source="registry", name=options.base), texts, options.drop)
    found = {"base": options.base, "rows": len(texts), "steps": steps}
    options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("layer  perplexity")
    for step in steps:
        print(f"{step['layer'] if step['layer'] is not None else 'none':>5}  {step['perplexity']:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
