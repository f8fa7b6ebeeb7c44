"""Measure speed and quality of GGUF models on this CPU.

    python -m benchmarks.run benchmarks/configs/smoke.toml

One worker process a model, one answer at a time, nothing else running; a model that a server has (kind "openai" in
data/models.toml) is asked there, its single answers are of the condition "as-served", and shapes are left out. Every
sample is appended to RUN/samples.jsonl as it is made, so that an interrupted run goes on with --resume; so does a
finished one whose limit was raised, whose suite got more lines at its end, or that has prompts without an answer: those
are asked again. What it will cost, --dry-run says: from the tokens and rates of earlier runs on this machine, or a
short measurement. With --json, the last line of stdout is one JSON object:
{"run_id": ..., "models": [{"id", "decode_tok_per_s", "prefill_tok_per_s", "ttft_s", "accuracy", "n",
"peak_rss_bytes", ...}]}. decode_tok_per_s is the median over answers of at least 8 decoded tokens.
"""

import argparse
import dataclasses
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.command import parser_of, positive, run_command, say
from data.errors import TradeoffError

if TYPE_CHECKING:
    from benchmarks.config import Config
    from benchmarks.runs.read import Run
    from data.suites.prompts import Suite

DEFAULT_OUT = Path("results")
_OVERRIDES = ("limit", "jobs", "threads")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 a model or the disk failed, 2 the configuration is wrong, 130 interrupted."""
    options = _parse(arguments)
    return run_command(
        lambda: _tell_cost(options) if options.dry_run else _report(_run(options), as_json=options.json),
        name="benchmarks.run",
        status=_status,
        interrupted=f"resume with: {_resume_command(options)}",
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.run", __doc__)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a TOML such as benchmarks/configs/smoke.toml")
    parser.add_argument(
        "--out", type=Path, default=DEFAULT_OUT, metavar="DIR", help="where runs go (default: results/)"
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="prompts of each suite, instead of the config's")
    parser.add_argument("--jobs", type=positive, metavar="N", help="models at once in batched, instead of the config's")
    parser.add_argument("--threads", type=positive, metavar="N", help="of each worker, instead of the config's")
    parser.add_argument("--resume", action="store_true", help="go on with this config's newest run that lacks samples")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what it would cost: prompts, tokens, minutes and memory; ask nothing",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")
    return parser.parse_args(arguments)


def _wanted(options: argparse.Namespace) -> "tuple[Config, list[Suite]]":
    from benchmarks.config import load_config
    from benchmarks.graders import check_suite
    from data.suites.prompts import load_suite

    config = load_config(options.config)
    given = {name: value for name in _OVERRIDES if (value := getattr(options, name))}
    config = dataclasses.replace(config, **given)
    suites = [load_suite(name) for name in config.suites]
    for suite in suites:
        check_suite(suite)
    return config, suites


def _tell_cost(options: argparse.Namespace) -> int:
    from benchmarks.measure.estimate import cost_table, estimate, this_machine
    from benchmarks.measure.models import find_models
    from benchmarks.runs.on_disk import load_runs
    from data.paths import results_directories

    config, suites = _wanted(options)
    earlier = load_runs([*results_directories(), options.out]).runs
    costs = estimate(config, suites, find_models(config, say), earlier, this_machine(config, suites))
    print(cost_table(costs))
    known = [each.seconds for each in costs if each.seconds is not None]
    at_once = f", {config.jobs} models at once in batches" if config.jobs > 1 else ""
    print(f"about {sum(known) / 60:.0f} min in all, one model after another{at_once}; nothing was asked")
    return 0 if all(each.seconds is not None or each.served for each in costs) else 1


def _run(options: argparse.Namespace) -> "Run":
    from benchmarks.measure.execute import execute
    from benchmarks.measure.manifest import run_to_go_on_with
    from benchmarks.measure.models import find_models
    from benchmarks.runs.read import read_run

    config, suites = _wanted(options)
    earlier = run_to_go_on_with(options.out, config, suites, say) if options.resume else None
    models = find_models(config, say)
    directory = execute(config, suites, models, out=options.out, earlier=earlier, progress_to=sys.stderr)
    return read_run(directory)


def _report(run: "Run", *, as_json: bool) -> int:
    from benchmarks.analysis.summary import as_json as flat
    from benchmarks.analysis.summary import summarise, table
    from benchmarks.runs.read import AS_SERVED
    from benchmarks.statistics.consistency import batch_effect_text, batch_effects
    from benchmarks.statistics.sequential import early_texts

    summaries = summarise(run)
    print(table(summaries))
    print("decode: median over answers of at least 8 decoded tokens, or over the fixed shape where there are none;")
    print("intervals: 95%; noisy: others used the CPU, too")
    if any(each.condition == AS_SERVED for each in summaries):
        print("as-served: seconds of another's server as seen from here, which are not compared with this machine's")
    for note, count in Counter((row.model, row.note) for row in run.rows if row.note).items():
        say(f"{note[0]}: {count} answers: {note[1]}")
    if effects := batch_effects(run):
        print(batch_effect_text(effects))
    print("".join(f"{text}\n" for text in early_texts(run)), end="")
    print(f"rows: {run.directory}/samples.jsonl; charts: the Results page of the app (`make app`)")
    failed = {model: facts["error"] for model, facts in run.models.items() if facts.get("error")}
    failed |= {row.model: row.error for row in run.rows if row.error and row.model not in failed}
    for model, error in failed.items():
        say(f"{model}: {error}")
    if as_json:
        found: dict[str, Any] = {"run_id": run.id, "models": [flat(summary) for summary in summaries]}
        print(json.dumps(found, allow_nan=False))
    return 1 if failed else 0


def _resume_command(options: argparse.Namespace) -> str:
    parts = ["python", "-m", "benchmarks.run", str(options.config), "--resume"]
    parts += ["--out", str(options.out)] if options.out != DEFAULT_OUT else []
    for name in _OVERRIDES:
        parts += [f"--{name}", str(value)] if (value := getattr(options, name)) else []
    return shlex.join(parts)


def _status(error: TradeoffError) -> int:
    from benchmarks.runs.read import RunError

    return 1 if isinstance(error, RunError) else 2


if __name__ == "__main__":
    sys.exit(main())
