"""Let a model judge which of two others answered better, prompt by prompt: an option where no grader can tell.

    python -m benchmarks.judge RUN MODEL_A MODEL_B --judge ID [--suite NAME] [--limit N]

The judge sees every pair in both orders. Where it prefers another answer when the order changes, the pair is a tie, and
the share of pairs on which it kept its mind is reported: a judge that decides by position shows there. A reply that
names no answer is ungradable, never a tie. The judge is never one of the models judged.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.config import Config, ConfigError
from benchmarks.engine.contract import Message, Request, Sampling
from benchmarks.measure.models import Subject, find_subjects, under_test
from benchmarks.measure.sample import ModelUnderTest
from benchmarks.runs.read import Run, read_run
from benchmarks.statistics.preference import Ask, JudgeReport, judge_run, report_text
from data.command import parser_of, positive, run_command, say
from data.errors import TradeoffError
from data.suites.prompts import Prompt, load_suite

_CONTEXT_TOKENS = 4096
_REPLY_TOKENS = 24


class JudgeError(TradeoffError):
    """The judge cannot judge this; one line."""


def judge_by_model(options: argparse.Namespace) -> JudgeReport:
    """Carry out the command.

    Raises:
        JudgeError: The judge is one of the judged, cannot be loaded, or a suite has changed since the run.
        RunError, SuiteError, ModelError: As their readers.
    """
    run = read_run(options.run)
    questions = _questions(run, options.suite)
    try:
        config = Config(
            name="judge", models=(options.judge,), suites=("-",), engine=options.engine, context_tokens=_CONTEXT_TOKENS
        )
    except ConfigError as error:
        raise JudgeError(str(error)) from None
    (subject,) = find_subjects(config, say)
    _check_apart(subject, run, (options.a, options.b))
    model = under_test(subject, config)
    model.load()
    if model.engine is None:
        raise JudgeError(f"the judge {subject.id} cannot be loaded: {model.error}")
    try:
        return judge_run(run, options.a, options.b, questions, _asking(model), judge=subject.id, limit=options.limit)
    finally:
        model.close()


def _asking(model: ModelUnderTest) -> Ask:
    def ask(prompt: str) -> str | None:
        sampling = Sampling(temperature=0.0, max_tokens=_REPLY_TOKENS)
        reply = model.ask(Request(messages=(Message(role="user", content=prompt),), sampling=sampling, cold=True))
        return reply.finished.text if reply.finished and reply.error is None else None

    return ask


def _questions(run: Run, wanted: str | None) -> dict[tuple[str, str], str]:
    """Texts of the run's prompts, from suites that are still what they were."""
    found: dict[tuple[str, str], str] = {}
    for name in run.manifest.get("config", {}).get("suites", []):
        suite = load_suite(name)
        if wanted not in (None, suite.name):
            continue
        then = run.manifest.get("suites", {}).get(suite.name, {}).get("sha256")
        if then != suite.sha256:
            raise JudgeError(f"suite {suite.name} has changed since {run.id}; judge a run of the suite as it is now")
        found |= {(suite.name, prompt.id): _conversation(prompt) for prompt in suite.prompts}
    if not found:
        raise JudgeError(f"{run.id} has no suite {wanted!r}" if wanted else f"{run.id} has no suite")
    return found


def _conversation(prompt: Prompt) -> str:
    """All that the judged models were given: the question, with the turns and the system prompt before it."""
    if len(prompt.messages) == 1:
        return prompt.text
    return "\n\n".join(f"{turn.role.capitalize()}: {turn.content}" for turn in prompt.messages)


def _check_apart(judge: Subject, run: Run, judged: tuple[str, str]) -> None:
    for model in judged:
        rows = run.by_model.get(model)
        if rows and (model == judge.id or rows[0].model_sha256 == judge.sha256):
            raise JudgeError(f"{judge.id} is one of the models judged; choose another judge")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 the run, the suite or the judge is not as it must be."""
    options = _parse(arguments)
    return run_command(lambda: _run(options), interrupted="nothing was kept")


def _run(options: argparse.Namespace) -> int:
    found = judge_by_model(options)
    print(report_text(found))
    if options.json:
        print(json.dumps(asdict(found), allow_nan=False))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = parser_of("benchmarks.judge", __doc__)
    parser.add_argument("run", type=Path, metavar="RUN", help="a run with both models' answers")
    parser.add_argument("a", metavar="MODEL_A")
    parser.add_argument("b", metavar="MODEL_B")
    parser.add_argument("--judge", required=True, metavar="ID", help="the model that judges, neither of the two")
    parser.add_argument("--engine", default="llama_cpp", choices=("llama_cpp", "scripted"), help="of the judge")
    parser.add_argument("--suite", metavar="NAME", help="this suite alone (default: all of the run's)")
    parser.add_argument("--limit", type=positive, default=0, metavar="N", help="so many prompts (default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
