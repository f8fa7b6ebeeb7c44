"""What fine-tuning took away: perplexity on held-out rows by source, and how replies to held-out prompts end.

    python -m training.forgetting training/configs/smollm2-135m-r8.toml smollm2-135m smollm2-135m-r8

The rows are the configuration's validation rows, which no training saw; models are ids of the registry, or GGUFs, with
the tokenizer of the configuration's base. They are asked as they ship: quantized, on a CPU. The first is what the
others are compared with.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from data.command import parser_of, positive, run_command, say
from training.config import TrainingError, load_config
from training.run_directory import RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    parser = parser_of("training.forgetting", __doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="its validation rows are used")
    parser.add_argument("models", nargs="+", metavar="MODEL", help="an id of data/models.toml, or a GGUF")
    parser.add_argument("--rows", type=positive, default=0, metavar="N", help="of each source (default: all)")
    parser.add_argument("--asked", default="replay", metavar="SOURCE", help="whose prompts to answer (default: replay)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of the config")
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="of prepared data (default: runs/)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a model instead of the table")
    options = parser.parse_args(arguments)
    return run_command(lambda: _command(options), interrupted="nothing was written; start it again")


def _command(options: argparse.Namespace) -> int:
    from benchmarks.config import Config as BenchmarkConfig
    from benchmarks.engine.contract import EngineError, LoadOptions
    from benchmarks.engine.worker_engine import WorkerEngine
    from benchmarks.measure.models import find_models
    from training.parity.forgetting import REPLY_TOKENS, SEQUENCES, held_out, retained, table
    from training.rows.build import prepare

    config = load_config(options.config, options.set)
    if options.asked not in config.data.sources:
        raise TrainingError(f"--asked is {options.asked!r}; the sources are {', '.join(config.data.sources)}")
    models = find_models(BenchmarkConfig(name="forgetting", models=options.models, suites=("-",)), say)
    rows = held_out(prepare(config, runs=options.runs), options.rows)
    found = []
    for model in models:
        if model.path is None:
            raise TrainingError(f"{model.id}: {model.error}")
        load = LoadOptions(context_tokens=config.training.max_length + REPLY_TOKENS + 64, sequences=SEQUENCES)
        try:
            engine = WorkerEngine(model.path, load)
        except EngineError as error:
            raise TrainingError(f"{model.id} cannot be loaded: {error}") from None
        try:
            found.append(retained(model.id, model.sha256, engine, rows, asked=options.asked))
        finally:
            engine.close()
        if options.json:
            print(json.dumps(asdict(found[-1])), flush=True)
    if not options.json:
        print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
