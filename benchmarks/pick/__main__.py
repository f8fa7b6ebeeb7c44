"""Which quantization of a model should be shipped on this CPU?

    python -m benchmarks.pick MODEL [--quants q4_0,q8_0] [--budget memory=2GB,min-tok-s=20,max-kl=0.05,max-loss=2]

MODEL is a registry id, the path of a GGUF, a training run's directory (its F16 file), or a repository of the Hub that
holds an F16 GGUF. Each file is made, timed, and compared with the F16 file token by token (KL divergence, same
likeliest token, perplexity); then answers are graded, from the fastest file on, until one has no shown loss. Picked is
the fastest with a mean KL of at most 0.05 nats and no shown loss; max-loss bears a shown one of so many points. A file
is asked no more once it is told apart from the reference; the chance that an equal one is turned down is at most 5% by
that rule, and 5% at the end. --thorough asks every file all of the suite. At last the picked file and the reference are
timed in turns, both loaded, since files that were timed minutes apart differ by what the machine did meanwhile.
Table, sentence and picture are kept in results/pick-…/, which the app's Pick page shows as it grows. Interrupt it, and
the same command goes on. Exit status 3: nothing keeps the budget, and what comes nearest is named.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from data.command import parser_of, positive, run_command

DEFAULT_QUANTS = "q2_k,q3_k_m,q4_0,q4_k_m,q5_k_m,q6_k,q8_0"
NOTHING_MEETS = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 picked, 1 something cannot be used, 3 nothing keeps the budget, 130 interrupted."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="the same command goes on")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.pick", __doc__)
    parser.add_argument("model", metavar="MODEL", help="registry id, GGUF, training run, or Hub repository")
    parser.add_argument("--quants", default=DEFAULT_QUANTS, help=f"default: {DEFAULT_QUANTS}")
    parser.add_argument("--budget", default="", help="limits parted by commas (default: max-kl=0.05)")
    parser.add_argument("--text", type=Path, metavar="FILE", help="for KL (default: the suite with its right answers)")
    parser.add_argument("--suite", default="core", help="whose answers are graded (default: core)")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--prompts", type=positive, default=60, metavar="N", help="graded, at least 2 (default: 60)")
    asked.add_argument("--thorough", action="store_true", help="every file is asked the whole suite, none ended early")
    parser.add_argument("--repetitions", type=positive, default=5, help="of the timed shapes, at least 2 (default: 5)")
    parser.add_argument("--threads", type=positive, help="default: what this process may use")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep every file, in this directory")
    parser.add_argument("--out", type=Path, metavar="DIR", help="of table and picture (default: results/pick-MODEL-…)")
    parser.add_argument("--from-quantized", action="store_true", help="go on where the source is quantized already")
    parser.add_argument("--json", action="store_true", help="the last line of stdout is one JSON object")
    return parser.parse_args(arguments)


def _run(options: argparse.Namespace) -> int:
    from benchmarks.engine.machine import usable_threads
    from benchmarks.graders import check_suite
    from benchmarks.pick.drawing import write_report
    from benchmarks.pick.flow import Wanted, enough_for_an_interval, pick, quantizations_of
    from benchmarks.pick.rule import parse_budget
    from benchmarks.pick.source import reference_of
    from benchmarks.pick.text import as_json, report
    from data.suites.prompts import load_suite

    suite = load_suite(options.suite)
    wanted = Wanted(
        quantizations=quantizations_of(options.quants),
        budget=parse_budget(options.budget),
        suite=suite,
        text=_text(options.text),
        prompts=enough_for_an_interval("--prompts", len(suite.prompts) if options.thorough else options.prompts),
        threads=options.threads or usable_threads(),
        repetitions=enough_for_an_interval("--repetitions", options.repetitions),
        thorough=options.thorough,
        keep=options.keep is not None,
    )
    check_suite(suite)
    work, out = _folders(options)
    reference = reference_of(options.model, work, from_quantized=options.from_quantized)
    outcome = pick(reference, wanted, work, out, sys.stderr)
    write_report(outcome, out)
    print(f"{report(outcome)}\n\nkept with its picture in {out}")
    if options.json:
        print(json.dumps(as_json(outcome), allow_nan=False))
    return 0 if outcome.choice.picked else NOTHING_MEETS


def _text(path: Path | None) -> str | None:
    from benchmarks.pick.arms import PickError
    from data.records import decoded

    return None if path is None else decoded(path.read_bytes(), str(path), PickError)


def _folders(options: argparse.Namespace) -> tuple[Path, Path]:
    """One for files, under the cache unless they are kept, and one for the results; both are a model's own."""
    from benchmarks.pick.arms import PickError
    from benchmarks.pick.outcome import place_of
    from data.paths import cache_dir, results_directories

    place = place_of(options.model)
    work: Path = (options.keep or cache_dir() / "pick" / place).absolute()
    out: Path = options.out or results_directories()[-1] / f"pick-{place}"
    if out.exists() and not out.is_dir():
        raise PickError(f"--out {out}: a file of that name is there; choose another")
    work.mkdir(parents=True, exist_ok=True)
    return work, out


if __name__ == "__main__":
    sys.exit(main())
